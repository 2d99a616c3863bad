package importer

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/haldane-dev/haldane/api/v1alpha1"
)

// MaxInput is the largest file that is read, in bytes.
const MaxInput = 4 << 20

// Options are what a file of another tool does not say.
type Options struct {
	Name       string // of the object to import, where the file has several
	Prometheus string // address of the server to count from; "" takes the file's own
}

// Note is one thing of the input that has no equal, or not quite.
type Note struct {
	Object string // Canary/churn
	Path   string // spec.analysis.threshold, "" for the object as a whole
	Text   string // what was done instead
}

// String is the note in one line.
func (n Note) String() string {
	at := n.Object
	if n.Path != "" {
		at += " " + n.Path
	}
	return at + ": " + n.Text
}

// Result is a rollout and what was lost on the way.
type Result struct {
	Document []byte // YAML; the notes stand above it as comments
	Notes    []Note
}

// From is a tool whose manifests can be read.
type From string

// What can be read.
const (
	Flagger   From = "flagger"
	Argo      From = "argo"
	Manifests From = "manifests" // two Deployments and a route with weights
)

// Sources are all of them.
func Sources() []From { return []From{Flagger, Argo, Manifests} }

// Import makes a rollout of the manifests in text. The error says what is
// missing or what cannot be rolled out at all.
func Import(from From, text []byte, o Options) (Result, error) {
	if len(text) > MaxInput {
		return Result{}, fmt.Errorf("larger than %d bytes: give only the manifests of one rollout", MaxInput)
	}
	docs, err := documents(text)
	if err != nil {
		return Result{}, err
	}
	d := &draft{options: o, docs: docs}
	switch from {
	case Flagger:
		err = d.flagger()
	case Argo:
		err = d.argo()
	case Manifests:
		err = d.manifests()
	default:
		return Result{}, fmt.Errorf("import %q: want flagger, argo or manifests", from)
	}
	if err != nil {
		return Result{}, err
	}
	d.leftovers()
	return d.result(from)
}

// draft is a rollout in the making.
type draft struct {
	options Options
	docs    []*document
	notes   []Note

	name, namespace string
	workload        tree
	onDelete        string
	paused          bool
	ladder          ladder
	timing          tree // scaleDownDelay, readyWithin
	router          entry
	always          []any
	address         string // of Prometheus
	preset          string
	metrics         []any
	guards          []any
	blueGreen       *tree           // the strategy, if it is no canary
	names           map[string]bool // taken: "metric errors"
	hooks, messages []any
}

// note says what was done instead of f, and takes it as read. It is silent
// where f is not there.
func (d *draft) note(f field, format string, args ...any) {
	if !f.exists() {
		return
	}
	f.taken()
	d.notes = append(d.notes, Note{f.doc.String(), f.path, fmt.Sprintf(format, args...)})
}

// say adds a note that is of no field.
func (d *draft) say(doc *document, format string, args ...any) {
	n := Note{doc.String(), "", fmt.Sprintf(format, args...)}
	if !slices.Contains(d.notes, n) {
		d.notes = append(d.notes, n)
	}
}

// pick returns the one object of a kind that is meant.
func (d *draft) pick(kind, group string) (*document, error) {
	var found []*document
	var names []string
	for _, x := range d.docs {
		if x.kind == kind && x.group() == group {
			names = append(names, x.name)
			if d.options.Name == "" || d.options.Name == x.name {
				found = append(found, x)
			}
		}
	}
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(names) == 0:
		return nil, fmt.Errorf("there is no %s of %s in it", kind, group)
	case len(found) == 0:
		return nil, fmt.Errorf("there is no %s named %s in it, only %s", kind, d.options.Name, strings.Join(names, ", "))
	}
	return nil, fmt.Errorf("there are %d objects of kind %s: say by --name which of %s", len(found), kind, strings.Join(names, ", "))
}

// all returns every object of a kind.
func (d *draft) all(kind string) []*document {
	var out []*document
	for _, x := range d.docs {
		if x.kind == kind {
			out = append(out, x)
		}
	}
	return out
}

// leftovers names what nobody read.
func (d *draft) leftovers() {
	for _, x := range d.docs {
		if !d.used(x) {
			x.field().get("spec").taken()
			d.say(x, "stays as it is: nothing of it is part of a rollout")
			continue
		}
		for _, path := range x.unread() {
			d.notes = append(d.notes, Note{x.String(), path, "has no equal and was left out"})
		}
	}
}

// used reports whether anything of x beyond its name was read or told of.
func (d *draft) used(x *document) bool {
	for p := range x.seen {
		if p == "" || !strings.HasPrefix(p, "metadata.") && p != "kind" && p != "apiVersion" {
			return true
		}
	}
	return slices.ContainsFunc(d.notes, func(n Note) bool { return n.Object == x.String() })
}

// defaultPrometheus stands where no file names the server that has the counts.
const defaultPrometheus = "http://prometheus.monitoring:9090"

// result writes the rollout and checks that it can be read.
func (d *draft) result(from From) (Result, error) {
	if len(d.metrics) == 0 {
		d.compareDefaults()
	}
	text, err := encode(d.tree(), d.comment(from))
	if err != nil {
		return Result{}, err
	}
	if _, err := v1alpha1.LoadCluster("the rollout that was made of it", bytes.NewReader(text)); err != nil {
		return Result{}, errors.Join(err, errors.New("rename or correct what it came from, and import it again"))
	}
	return Result{text, d.notes}, nil
}

func (d *draft) comment(from From) []string {
	out := []string{fmt.Sprintf("Made by haldane import %s. Read it before it is applied.", from)}
	if len(d.notes) > 0 {
		out = append(out, "", "What has no equal, or not quite, and what was done instead:")
	}
	for _, n := range d.notes {
		out = append(out, "- "+strings.Join(strings.Fields(n.String()), " "))
	}
	return out
}

func (d *draft) tree() tree {
	var meta, spec, canary, routing, prometheus, analysis tree
	meta.set("name", d.name)
	meta.set("namespace", d.namespace)
	strategy := "canary"
	if d.blueGreen != nil {
		strategy, canary = "blueGreen", *d.blueGreen
	} else {
		canary.set("steps", d.ladder.end())
	}
	canary = append(canary, d.timing...)
	routing.set(d.router.key, d.router.value)
	routing.set("always", d.always)
	prometheus.set("address", d.address)
	prometheus.set("preset", d.preset)
	analysis.set("source", tree{{"prometheus", prometheus}})
	analysis.set("guardrails", d.guards)
	analysis.set("metrics", d.metrics)
	spec.set("workload", d.workload)
	spec.set("strategy", tree{{strategy, canary}})
	spec.set("routing", routing)
	spec.set("analysis", analysis)
	spec.set("hooks", d.hooks)
	spec.set("notifications", d.messages)
	if d.paused {
		spec.set("paused", true)
	}
	spec.set("onDelete", d.onDelete)
	return tree{{"apiVersion", v1alpha1.APIVersion}, {"kind", v1alpha1.Kind}, {"metadata", meta}, {"spec", spec}}
}
