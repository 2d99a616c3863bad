package v1alpha1

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
)

var (
	wordName    = regexp.MustCompile(`^[a-z0-9A-Z]([-a-z0-9A-Z]*[a-z0-9A-Z])?$`)
	hookAddress = regexp.MustCompile(`^https?://[^\s/?#@]+([/?][^\s#]*)?$`)
	mailAddress = regexp.MustCompile(`^[^\s@<>,]+@[^\s@<>,]+$`)

	hookKinds  = []string{"confirmRollout", "preRollout", "confirmTrafficIncrease", "rollout", "rollback", "confirmPromotion", whenPostRollout, whenEvent}
	eventKinds = []string{"Started", "Ready", "Step", "Paused", "Resumed", "Held", "Invalid", "Warned", "Closed", "Promoting", "Promoted", "Completed",
		"RollingBack", "RolledBack", "Deadline", "Command", "Retry"}
)

// The bounds of what one rollout calls.
const (
	maxHooks   = 32
	maxHeaders = 16
	maxText    = 4096
	maxAddress = 2048
)

func (v *validator) hooks(path string, hooks []Hook) {
	if len(hooks) > maxHooks {
		v.add(path, "are %d: at most %d are called", len(hooks), maxHooks)
	}
	seen := map[string]bool{}
	for i := range hooks {
		h, at := &hooks[i], fmt.Sprintf("%s[%d]", path, i)
		v.called(at, h.Name, seen)
		v.hook(at, h)
	}
}

// called demands a name of its own.
func (v *validator) called(path, name string, seen map[string]bool) {
	switch {
	case name == "":
	case !wordName.MatchString(name) || len(name) > 63:
		v.add(path+".name", "is %q: write a name of letters, digits and dashes, at most 63", name)
	case seen[name]:
		v.add(path+".name", "is %q, like another's: give each a name of its own", name)
	}
	seen[name] = true
}

func (v *validator) hook(path string, h *Hook) {
	v.of(path+".when", h.When, hookKinds...)
	v.callable(path+".url", h.URL)
	if h.Timeout.Duration == 0 {
		v.add(path+".timeout", "is no time: write one above 0")
	}
	if *h.Retries < 0 || *h.Retries > 10 {
		v.add(path+".retries", "is %d: write 0 to 10", *h.Retries)
	}
	told := h.When == whenPostRollout || h.When == whenEvent
	switch {
	case h.Every == nil:
	case told:
		v.add(path+".every", "is of hooks that are asked: leave it out")
	case h.Every.Duration == 0:
		v.add(path+".every", "is no time: write one above 0")
	}
	if told && h.FailOpen != nil {
		v.add(path+".failOpen", "is of hooks that are asked: leave it out, nothing waits for one that is told")
	}
	switch test := h.When == "preRollout" || h.When == "rollout"; {
	case !test && h.Failures != 0:
		v.add(path+".failures", "is of tests: leave it out, or write when: preRollout or rollout")
	case test && (h.Failures < 1 || h.Failures > 1000):
		v.add(path+".failures", "is %d: write 1 to 1000", h.Failures)
	}
	v.texts(path+".headers", h.Headers, maxHeaders)
	v.texts(path+".metadata", h.Metadata, maxHooks)
	v.secret(path+".secretFrom", h.SecretFrom)
}

func (v *validator) callable(path, url string) {
	if !hookAddress.MatchString(url) || len(url) > maxAddress {
		v.add(path, "%q is no address to call: write it like https://hooks.example.com/churn, without user and password", url)
	}
}

func (v *validator) texts(path string, all map[string]Text, most int) {
	if len(all) > most {
		v.add(path, "are %d: at most %d are sent", len(all), most)
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if len(all[name]) > maxText {
			v.add(path+"."+name, "is longer than %d bytes", maxText)
		}
	}
}

// secret demands one place of the mode.
func (v *validator) secret(path string, s *SecretFrom) {
	switch {
	case s == nil:
	case v.cluster && (s.Env != "" || s.File != ""):
		v.add(path, "env and file are of one machine: on a cluster write name and key of a Secret")
	case v.cluster && (s.Name == "" || s.Key == ""):
		v.add(path, "needs name and key of a Secret")
	case !v.cluster && (s.Name != "" || s.Key != ""):
		v.add(path, "name and key are of a Secret on a cluster: on one machine write env or file")
	case !v.cluster:
		v.one(path, map[string]bool{"env": s.Env != "", "file": s.File != ""}, "env", "file")
	}
}

func (v *validator) notifications(path string, all []Notification) {
	if len(all) > maxHooks {
		v.add(path, "are %d: at most %d are told", len(all), maxHooks)
	}
	seen := map[string]bool{}
	for i := range all {
		n, at := &all[i], fmt.Sprintf("%s[%d]", path, i)
		v.called(at, n.Name, seen)
		v.notification(at, n)
	}
}

func (v *validator) notification(path string, n *Notification) {
	set, order := map[string]bool{}, []string{}
	for _, k := range n.kinds() {
		set[k.name] = k.set
		order = append(order, k.name)
	}
	v.one(path, set, order...)
	if len(n.When) > maxHooks {
		v.add(path+".when", "has %d entries: name each event once", len(n.When))
	}
	for i, k := range n.When {
		at := fmt.Sprintf("%s.when[%d]", path, i)
		v.of(at, k, eventKinds...)
		if slices.Contains(n.When[:i], k) {
			v.add(at, "is named twice")
		}
	}
	if len(n.Template) > maxText {
		v.add(path+".template", "is longer than %d bytes", maxText)
	}
	if _, err := MessageTemplate(n.Template); err != nil {
		v.add(path+".template", "%v", err)
	}
	for name, c := range map[string]*Chat{"slack": n.Slack, "teams": n.Teams, "discord": n.Discord, "googleChat": n.GoogleChat} {
		if c != nil {
			v.secret(path+"."+name+".urlFrom", &c.URLFrom)
		}
	}
	if p := n.PagerDuty; p != nil {
		v.secret(path+".pagerDuty.keyFrom", &p.KeyFrom)
		v.of(path+".pagerDuty.severity", p.Severity, "critical", "error", "warning", "info")
		if p.URL != "" {
			v.callable(path+".pagerDuty.url", p.URL)
		}
	}
	if n.Email != nil {
		v.email(path+".email", n.Email)
	}
	if n.Webhook != nil {
		v.webhook(path+".webhook", n.Webhook)
	}
}

func (v *validator) email(path string, e *Email) {
	if e.Host == "" || len(e.Host) > 253 {
		v.add(path+".host", "is missing: name the SMTP server")
	}
	if e.Port < 1 || e.Port > 65535 {
		v.add(path+".port", "is %d: write a number from 1 to 65535", e.Port)
	}
	v.of(path+".encryption", e.Encryption, "StartTLS", "TLS", "None")
	if !mailAddress.MatchString(e.From) || len(e.From) > 254 {
		v.add(path+".from", "%q is no address: write it like haldane@example.com", e.From)
	}
	if len(e.To) == 0 || len(e.To) > maxHooks {
		v.add(path+".to", "has %d addresses: write 1 to %d", len(e.To), maxHooks)
	}
	for i, to := range e.To {
		if !mailAddress.MatchString(to) || len(to) > 254 || slices.Contains(e.To[:i], to) {
			v.add(fmt.Sprintf("%s.to[%d]", path, i), "%q is no address, or is there twice: write it like oncall@example.com", to)
		}
	}
	if len(e.Username) > 254 {
		v.add(path+".username", "is longer than 254 bytes")
	}
	v.secret(path+".passwordFrom", e.PasswordFrom)
}

func (v *validator) webhook(path string, w *WebhookChannel) {
	if v.one(path, map[string]bool{"url": w.URL != "", "urlFrom": w.URLFrom != nil}, "url", "urlFrom") && w.URL != "" {
		v.callable(path+".url", w.URL)
	}
	v.secret(path+".urlFrom", w.URLFrom)
	v.texts(path+".headers", w.Headers, maxHeaders)
	v.secret(path+".secretFrom", w.SecretFrom)
}
