package nginx

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"

	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/haldane-dev/haldane/internal/cluster"
	"github.com/haldane-dev/haldane/internal/router"
	"github.com/haldane-dev/haldane/internal/router/object"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// Ingress is the kind of what is read and made.
var Ingress = networkingv1.SchemeGroupVersion.WithKind("Ingress")

// noteKey is where the split asked for last is remembered.
const noteKey = "route/nginx"

// Router splits traffic by a canary Ingress.
type Router struct {
	rollout cluster.Rollout
	user    *object.Keeper // only read
	canary  *object.Keeper
	contest *object.Contest
	settle  *object.Settle
	refused *object.Refusal
}

var (
	_ router.Router       = (*Router)(nil)
	_ cluster.Conditioner = (*Router)(nil)
	_ cluster.Leaver      = (*Router)(nil)
)

// New returns the router of r, whose spec has routing.nginx. It reads and
// writes nothing before it is asked to.
func New(r cluster.Rollout) *Router {
	contest := &object.Contest{}
	return &Router{
		rollout: r, contest: contest, settle: &object.Settle{}, refused: &object.Refusal{},
		user: &object.Keeper{Rollout: r, Kind: Ingress, Name: r.Spec.Routing.Nginx.Ingress},
		canary: &object.Keeper{
			Rollout: r, Kind: Ingress, Name: r.CanaryService(), Field: []string{"spec"}, Prefix: prefix, Contest: contest,
		},
	}
}

// Capabilities implements router.Router. Headers and cookies can be matched if
// the file's can; cookies are few enough that none are promised without one.
func (r *Router) Capabilities(_ context.Context, t router.Target) (traffic.Capabilities, error) {
	if err := object.Check(r.rollout, t); err != nil {
		return traffic.Capabilities{}, err
	}
	always, never := object.Matches(r.rollout.Spec)
	_, err := annotate(traffic.Split{Open: true, Always: always, Never: never})
	cookies := false
	for _, m := range append(always, never...) {
		cookies = cookies || m.Cookie != nil
	}
	return traffic.Capabilities{Weights: true, Header: err == nil, Cookie: err == nil && cookies}, nil
}

// asked is the split that was asked for last.
type asked struct {
	Generation uint64         `json:"generation"`
	Canary     traffic.Weight `json:"canary"`
	Absent     bool           `json:"absent"` // no Ingress is wanted
}

// Apply implements router.Router.
func (r *Router) Apply(ctx context.Context, t router.Target, s traffic.Split) error {
	c, err := r.Capabilities(ctx, t)
	if err != nil {
		return err
	}
	if err := object.Refuse(c, s); err != nil {
		return fmt.Errorf("%s: %w", r.user, err)
	}
	if _, err := annotate(s); err != nil {
		return fmt.Errorf("%s: %w", r.user, err)
	}
	absent := s.Canary == 0 && !(s.Open && len(s.Always) > 0)
	if err := r.remember(ctx, &asked{s.Generation, s.Canary, absent}); err != nil {
		return err
	}
	pinned, err := r.pinned(ctx)
	if absent {
		return r.canary.Remove(ctx, t) // whatever is wrong with the user's Ingress
	}
	if err != nil {
		return err
	}
	if pinned != "" {
		return fmt.Errorf("%s: %s", r.user, pinned)
	}
	user, err := r.read(ctx)
	if err != nil {
		return err
	}
	spec, err := r.spec(user)
	if err != nil {
		return fmt.Errorf("%s: %w", r.user, err)
	}
	return r.canary.Apply(ctx, t, s, func(_ any, s traffic.Split) (object.Content, error) {
		notes, err := annotate(s)
		for _, name := range []string{prefix + "backend-protocol", classAnnotation} {
			if v := user.Annotations[name]; v != "" && err == nil {
				notes[name] = v
			}
		}
		return object.Content{Value: spec, Annotations: notes}, err
	})
}

// Observe implements router.Router.
func (r *Router) Observe(ctx context.Context, t router.Target) (traffic.Observed, error) {
	unknown := traffic.Observed{Level: traffic.Unknown}
	if err := object.Check(r.rollout, t); err != nil {
		return unknown, err
	}
	a, err := r.recall(ctx)
	if err != nil || a == nil {
		return unknown, err
	}
	live, err := r.canary.Get(ctx)
	if err != nil {
		return unknown, err
	}
	if _, err := r.pinned(ctx); err != nil {
		return unknown, err
	}
	if live == nil {
		if !a.Absent {
			return traffic.Observed{Level: traffic.Written}, nil // not made yet, or taken away
		}
		m := object.Mark{Generation: a.Generation}
		return m.Observed(r.settle.Level(m)), nil
	}
	if m, intact := r.canary.Intact(live); intact && !a.Absent {
		return m.Observed(r.settle.Level(m)), nil
	}
	share, known := weight(live)
	if !known {
		return unknown, nil
	}
	return traffic.Observed{Level: traffic.Written, Canary: share}, nil
}

// Release implements router.Router.
func (r *Router) Release(ctx context.Context, t router.Target) error {
	if err := object.Check(r.rollout, t); err != nil {
		return err
	}
	if err := r.canary.Release(ctx, t); err != nil {
		return err
	}
	return r.remember(ctx, nil)
}

// Conditions implements cluster.Conditioner.
func (r *Router) Conditions() []cluster.Condition {
	return []cluster.Condition{r.contest.Condition(), r.refused.Condition()}
}

func (r *Router) remember(ctx context.Context, a *asked) error {
	var text []byte
	if a != nil {
		var err error
		if text, err = json.Marshal(a); err != nil {
			return fmt.Errorf("remember the split of %s: %w", r.user, err)
		}
	}
	if err := r.rollout.Notes.Put(ctx, noteKey, text); err != nil {
		return fmt.Errorf("remember the split of %s: %w", r.user, err)
	}
	return nil
}

// recall returns nil before the first Apply.
func (r *Router) recall(ctx context.Context) (*asked, error) {
	text, err := r.rollout.Notes.Get(ctx, noteKey)
	if err != nil {
		return nil, fmt.Errorf("recall the split of %s: %w", r.user, err)
	}
	if len(text) == 0 {
		return nil, nil
	}
	a := &asked{}
	if err := json.Unmarshal(text, a); err != nil {
		return nil, fmt.Errorf("recall the split of %s: %w", r.user, err)
	}
	return a, nil
}

// weight returns the share that a canary Ingress asks for.
func weight(live *unstructured.Unstructured) (traffic.Weight, bool) {
	notes := live.GetAnnotations()
	if notes[prefix+"canary"] != "true" {
		return 0, false
	}
	part, err := strconv.ParseFloat(notes[prefix+"canary-weight"], 64)
	if err != nil {
		return 0, false
	}
	total := 100.0
	if text, ok := notes[prefix+"canary-weight-total"]; ok {
		if total, err = strconv.ParseFloat(text, 64); err != nil || total <= 0 {
			return 0, false
		}
	}
	return traffic.Percent(100 * part / total), true
}
