package importer

import "strings"

// kinds of Flagger's hooks, and what they are called here. The payload is the
// same.
var kinds = map[string]string{
	"confirm-rollout": "confirmRollout", "pre-rollout": "preRollout", "rollout": "rollout",
	"confirm-traffic-increase": "confirmTrafficIncrease", "confirm-promotion": "confirmPromotion",
	"post-rollout": "postRollout", "rollback": "rollback", "event": "event",
}

// flaggerHook reads one webhook.
func (d *draft) flaggerHook(w field) {
	kind := w.get("type").text()
	if kind == "" {
		kind = "rollout"
	}
	when, known := kinds[kind]
	url := w.get("url").text()
	if !known || !strings.HasPrefix(url, "http://") && !strings.HasPrefix(url, "https://") {
		d.note(w, "a webhook of type %s at %q has no equal: left out", kind, url)
		return
	}
	h := tree{{"name", d.own("hook", w.get("name").text())}, {"when", when}, {"url", url}}
	if t, ok := w.get("timeout").duration(); ok && t > 0 {
		h.set("timeout", span(t))
	}
	if n, ok := w.get("retries").number(); ok && n >= 0 && n <= 10 {
		h.set("retries", number(n))
	}
	metadata := w.get("metadata")
	var more tree
	for _, k := range metadata.keys() {
		more.set(k, metadata.get(k).text())
	}
	h.set("metadata", more)
	d.hooks = append(d.hooks, h)
	d.note(w.get("muteAlert"), "messages are chosen by notifications.when")
	d.note(w.get("disableTLS"), "certificates are verified")
	if kind == "rollout" {
		d.notes = append(d.notes, Note{w.doc.String(), w.path, "if it only makes load, a rollout without it waits for traffic and never passes for lack of it. Three noes in a row take the candidate back (hooks.failures)"})
	}
}

// chats are the messengers of Flagger's AlertProvider that are known here.
var chats = map[string]string{"slack": "slack", "msteams": "teams", "discord": "discord", "gchat": "googleChat"}

// flaggerAlert reads who is told, by AlertProviders.
func (d *draft) flaggerAlert(x field) {
	ref := x.get("providerRef")
	want := ref.get("name").text()
	for _, p := range d.all("AlertProvider") {
		if p.name == want && p.group() == "flagger.app" {
			spec := p.field().get("spec")
			d.flaggerProvider(x, spec)
			return
		}
	}
	d.note(x, "AlertProvider %s is in none of the files: write notifications, or alert on Haldane's metrics (deploy/prometheus/alerts.yaml)", want)
}

func (d *draft) flaggerProvider(x, spec field) {
	name := label(x.get("name").text())
	chat, known := chats[spec.get("type").text()]
	secret := spec.get("secretRef", "name").text()
	if !known || secret == "" {
		d.note(x, "needs a messenger that is known here, and its address in a Secret: write notifications")
		d.note(spec, "see the alert %s: left out", name)
		return
	}
	d.note(x.get("providerRef", "namespace"), "the Secret %s has to be in the rollout's namespace", secret)
	m := tree{{"name", d.own("message", name)}, {chat, flow{{"urlFrom", flow{{"name", secret}, {"key", "address"}}}}}}
	switch severity := x.get("severity").text(); severity {
	case "error":
		m.set("when", []string{"RolledBack", "Deadline"})
	case "warn":
		m.set("when", []string{"RolledBack", "Deadline", "Invalid", "Paused"})
	}
	d.messages = append(d.messages, m)
	for _, of := range []string{"channel", "username", "proxy"} {
		d.note(spec.get(of), "is set where the webhook is made: left out")
	}
	d.note(spec.get("address"), "the address is read from the Secret alone")
}
