package v1alpha1

import "time"

// The kinds of hooks that are told and not asked.
const (
	whenPostRollout = "postRollout"
	whenEvent       = "event"
)

func (h *Hook) setDefaults() {
	if h.Name == "" {
		h.Name = h.When
	}
	orDuration(&h.Timeout, 5*time.Second)
	if h.Retries == nil {
		two := int32(2)
		h.Retries = &two
	}
	if h.When == whenPostRollout || h.When == whenEvent {
		return
	}
	if h.FailOpen == nil {
		open := h.When == "rollback"
		h.FailOpen = &open
	}
	orDuration(&h.Every, 15*time.Second)
	if h.Failures == 0 && (h.When == "preRollout" || h.When == "rollout") {
		h.Failures = 3
	}
}

func (n *Notification) setDefaults() {
	if n.Name == "" {
		n.Name = n.kind()
	}
	if len(n.When) == 0 {
		n.When = []string{"Promoted", "Completed", "RolledBack", "Paused", "Deadline", "Invalid"}
	}
	if p := n.PagerDuty; p != nil && p.Severity == "" {
		p.Severity = "error"
	}
	if e := n.Email; e != nil {
		if e.Encryption == "" {
			e.Encryption = "StartTLS"
		}
		if e.Port == 0 {
			e.Port = 587
		}
	}
}

// kind is the name of the channel's field, "" if there is none.
func (n *Notification) kind() string {
	for _, k := range n.kinds() {
		if k.set {
			return k.name
		}
	}
	return ""
}

type channelKind struct {
	name string
	set  bool
}

func (n *Notification) kinds() []channelKind {
	return []channelKind{
		{"slack", n.Slack != nil}, {"teams", n.Teams != nil}, {"discord", n.Discord != nil}, {"googleChat", n.GoogleChat != nil},
		{"pagerDuty", n.PagerDuty != nil}, {"email", n.Email != nil}, {"webhook", n.Webhook != nil},
	}
}
