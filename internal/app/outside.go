package app

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/haldane-dev/haldane/api/v1alpha1"
	"github.com/haldane-dev/haldane/internal/check"
	"github.com/haldane-dev/haldane/internal/cluster"
	"github.com/haldane-dev/haldane/internal/engine"
	"github.com/haldane-dev/haldane/internal/hook"
	"github.com/haldane-dev/haldane/internal/kube"
	"github.com/haldane-dev/haldane/internal/notify"
	"github.com/haldane-dev/haldane/internal/outbound"
	"github.com/haldane-dev/haldane/internal/outbox"
	"github.com/haldane-dev/haldane/internal/rollout"
)

// secrets reads a secret where the file says it is. Errors name the place and
// never what is there.
type secrets func(context.Context, v1alpha1.SecretFrom) ([]byte, error)

// maxSecret bounds what is read of one, in bytes.
const maxSecret = 64 << 10

// localSecrets are those of this machine; files are relative to dir.
func localSecrets(dir string) secrets {
	return func(_ context.Context, s v1alpha1.SecretFrom) ([]byte, error) {
		var text string
		switch {
		case s.Env != "":
			text = os.Getenv(s.Env)
		default:
			data, err := os.ReadFile(within(dir, s.File))
			if err != nil {
				return nil, fmt.Errorf("read the secret: %w", err)
			}
			text = string(data)
		}
		return trimmed(text, s.Env+s.File)
	}
}

// clusterSecrets are those of a rollout's namespace.
func clusterSecrets(r cluster.Rollout) secrets {
	return func(ctx context.Context, s v1alpha1.SecretFrom) ([]byte, error) {
		var secret corev1.Secret
		if err := r.Client.Get(ctx, client.ObjectKey{Namespace: r.Namespace, Name: s.Name}, &secret); err != nil {
			return nil, fmt.Errorf("read Secret %s: %w", s.Name, err)
		}
		return trimmed(string(secret.Data[s.Key]), s.Key+" of Secret "+s.Name)
	}
}

func trimmed(text, place string) ([]byte, error) {
	text = strings.TrimSpace(text)
	switch {
	case text == "":
		return nil, fmt.Errorf("%s is empty or not there", place)
	case len(text) > maxSecret:
		return nil, fmt.Errorf("%s holds %d bytes: at most %d are a secret", place, len(text), maxSecret)
	}
	return []byte(text), nil
}

// hooks are those of a valid file. Without secrets they can be planned with and
// not called.
func hooks(m *v1alpha1.ModelRollout, of secrets) []hook.Hook {
	var out []hook.Hook
	for _, h := range m.Spec.Hooks {
		one := hook.Hook{
			Name: h.Name, When: hook.Kind(h.When), URL: h.URL, Header: texts(h.Headers), Metadata: texts(h.Metadata),
			Timeout: h.Timeout.Duration, Retries: int(*h.Retries), Failures: int(h.Failures),
		}
		if h.FailOpen != nil {
			one.FailOpen = *h.FailOpen
		}
		if h.Every != nil {
			one.Every = h.Every.Duration
		}
		if s := h.SecretFrom; s != nil && of != nil {
			one.Secret = func(ctx context.Context) ([]byte, error) { return of(ctx, *s) }
		}
		out = append(out, one)
	}
	return out
}

func texts(in map[string]v1alpha1.Text) map[string]string {
	out := make(map[string]string, len(in))
	for k, v := range in {
		out[k] = string(v)
	}
	return out
}

// outsiders are what has a say, and who is told, beside the evidence.
type outsiders struct {
	say  []engine.Outside
	told *outbox.Box // nil: nobody
}

// caller is how a rollout calls others.
type caller struct {
	secrets secrets
	arms    arms
	front   front
	client  *outbound.Client
	// readings is how numbers are read that somebody else measures.
	readings readings
	allow    func(address string) error // of mail servers; nil allows all
	link     string                     // to the dashboard
	log      *slog.Logger
	dir      string // of the rollout's file, on this machine
}

// outside makes them of a valid file.
func outside(m *v1alpha1.ModelRollout, by caller) (outsiders, error) {
	told, err := whoIsTold(m, by)
	if err != nil {
		return outsiders{}, err
	}
	out := outsiders{told: told, say: []engine.Outside{strays(confirm(m))}}
	checks, err := checks(m, by.arms)
	if err != nil {
		return outsiders{}, err
	}
	if len(checks) > 0 {
		out.say = append(out.say, check.New(check.Config{
			Checks: checks, Variants: by.arms.variants, Addresses: by.arms.address, Name: m.Name, Logger: by.log}))
	}
	traffic, err := generator(m, by)
	if err != nil {
		return outsiders{}, err
	}
	if traffic != nil {
		out.say = append(out.say, traffic)
	}
	limits, err := guardrails(m, by)
	if err != nil {
		return outsiders{}, err
	}
	if limits != nil {
		out.say = append(out.say, limits)
	}
	if cfg := hookConfig(m, by); len(cfg.Hooks) > 0 {
		out.say = append(out.say, hook.New(cfg))
	}
	if s := m.Spec.Switch; s != nil {
		out.say = append(out.say, toggled(m, s, by))
	}
	return out, nil
}

func hookConfig(m *v1alpha1.ModelRollout, by caller) hook.Config {
	return hook.Config{Hooks: hooks(m, by.secrets), Name: m.Name, Namespace: m.Namespace, Client: by.client, Logger: by.log}
}

// whoIsTold makes the channels of a valid file, nil if it has none.
func whoIsTold(m *v1alpha1.ModelRollout, by caller) (*outbox.Box, error) {
	people := notify.Config{Name: m.Name, Namespace: m.Namespace, Link: by.link, Client: by.client, Allow: by.allow}
	notes, err := people.Channels(notifications(m, by.secrets))
	if err != nil {
		return nil, err
	}
	channels := slices.Concat(hookConfig(m, by).Channels(), notes)
	if len(channels) == 0 {
		return nil, nil
	}
	return outbox.New(channels, by.log), nil
}

// listeners is nil, and not an interface around nil, if there are none.
func (o outsiders) listeners() engine.Listeners {
	if o.told == nil {
		return nil
	}
	return o.told
}

func (o outsiders) warnings() []string {
	if o.told == nil {
		return nil
	}
	return o.told.Warnings()
}

// clusterOutside makes those of rollouts on a cluster, which share a client and
// the mark of load.
func clusterOutside(allow func(string) error, mark string, to clients) func(cluster.Rollout) (kube.Outside, error) {
	return func(r cluster.Rollout) (kube.Outside, error) {
		m := &v1alpha1.ModelRollout{Spec: *r.Spec}
		m.Namespace, m.Name = r.Namespace, r.Name
		o, err := outside(m, caller{secrets: clusterSecrets(r), arms: clusterArms(r), front: clusterFront(r, allow, mark), client: to.urls, readings: clusterReadings(r, to), allow: allow, log: r.Logger})
		if err != nil {
			return kube.Outside{}, err
		}
		return kube.Outside{Say: o.say, Told: o.listeners(), Warnings: o.warnings}, nil
	}
}

// confirm returns the questions that the plan of a file asks, in their order:
// nobody is bothered about a candidate that does not pass its checks.
func confirm(m *v1alpha1.ModelRollout) []rollout.Confirm {
	return slices.Concat(check.Confirm(checkRules(m)), hook.Confirm(hooks(m, nil)))
}

// strays answers for hooks and checks that a rollout under way asks and that have
// left the file since: nobody else would, and the rollout would wait without a
// word. It is the questions of the file.
type strays []rollout.Confirm

func (strays) Bind(func()) {}
func (strays) Close()      {}

func (strays) Signals(engine.About) []rollout.Signal { return nil }

func (s strays) Answers(_ engine.About, asks []rollout.Gate) []rollout.GateResult {
	var out []rollout.GateResult
	for _, g := range asks {
		if !slices.Contains(s, rollout.Confirm{Kind: g.Kind, Name: g.Name}) {
			out = append(out, rollout.GateResult{ID: g.ID, Message: "it has left the file since the rollout began: put it back, abort, or promote --full"})
		}
	}
	return out
}
