package fleetrouter

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/haldane-dev/haldane/internal/gateway/fleet"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// The bounds of asking gateways what they carry.
const (
	askWithin = 1500 * time.Millisecond
	askAtOnce = 16
	ackBytes  = 64 << 10
)

// carried is Accepted when all gateways carry the table that live holds. Once
// they do they are asked again only when the table or their number changes:
// what begins later reads the newest table before it is ready.
func (r *Router) carried(ctx context.Context, live *unstructured.Unstructured) (traffic.Level, error) {
	want := fleet.Digest(tableOf(live))
	d := &appsv1.Deployment{}
	if _, err := r.find(ctx, r.name, d); err != nil {
		return traffic.Unknown, err
	}
	state := strings.Join([]string{string(live.GetUID()), want, string(d.UID), d.ResourceVersion}, " ")
	r.mu.Lock()
	done, level := r.confirmed == state, r.level
	r.mu.Unlock()
	if done {
		return level, nil
	}
	all, err := r.askAll(ctx, want)
	if err != nil {
		return traffic.Unknown, err
	}
	level, behind := sum(all, want, d)
	if f := r.flag(); f != nil && len(all) == 0 {
		// A pod whose Secret is missing waits for it, and says so nowhere else than in
		// an event of its own.
		behind += fmt.Sprintf(" They begin once there is a Secret %s with the key %s, which callers must present.", f.TokenFrom.Name, f.TokenFrom.Key)
	}
	r.refused.Set(refusals(all, want))
	r.mu.Lock()
	defer r.mu.Unlock()
	r.behind = behind
	if behind == "" {
		r.confirmed, r.level = state, level
	}
	return level, nil
}

// answer is what one gateway said.
type answer struct {
	pod    string
	ending bool // the pod is being deleted
	ack    fleet.Ack
	err    error
}

// askAll asks every gateway that is ready.
func (r *Router) askAll(ctx context.Context, want string) ([]answer, error) {
	var pods corev1.PodList
	err := r.rollout.Client.List(ctx, &pods, client.InNamespace(r.rollout.Namespace), client.MatchingLabels(r.selector()))
	if err != nil {
		return nil, fmt.Errorf("list the gateways of %s: %w", r.rollout.ID(), err)
	}
	var all []answer
	var addresses []string
	for _, p := range pods.Items {
		if ready(&p) && p.Status.PodIP != "" {
			all = append(all, answer{pod: p.Name, ending: p.DeletionTimestamp != nil})
			addresses = append(addresses, net.JoinHostPort(p.Status.PodIP, strconv.Itoa(int(r.ops()))))
		}
	}
	var g errgroup.Group
	g.SetLimit(askAtOnce)
	for i := range all {
		g.Go(func() error {
			ctx, cancel := context.WithTimeout(ctx, askWithin)
			defer cancel()
			all[i].ack, all[i].err = r.cfg.Ask(ctx, addresses[i], want)
			return nil
		})
	}
	_ = g.Wait() // what went wrong is in the answers
	return all, ctx.Err()
}

func ready(p *corev1.Pod) bool {
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}

// sum says how much is known, and what is missing. A gateway that is ending and
// does not answer has ended.
func sum(all []answer, want string, d *appsv1.Deployment) (traffic.Level, string) {
	level, n := traffic.Accepted, 0
	var late []string
	for _, a := range all {
		switch {
		case a.err != nil && a.ending:
			continue
		case a.err != nil:
			late = append(late, fmt.Sprintf("%s does not answer (%v)", a.pod, a.err))
		case a.ack.Digest != want:
			late = append(late, a.pod+" carries another table")
		}
		n++
		if a.ack.Level == traffic.Flowing {
			level = traffic.Flowing
		}
	}
	switch {
	case n == 0 && why(d) != "":
		return traffic.Written, "No gateway is ready: " + why(d)
	case n == 0:
		return traffic.Written, "No gateway is ready yet."
	case len(late) > 0:
		return traffic.Written, fmt.Sprintf("%d of %d gateways do not carry the table: %s", len(late), n, strings.Join(late[:min(3, len(late))], "; "))
	}
	return level, ""
}

// why is what the Deployment says is in the way of its pods.
func why(d *appsv1.Deployment) string {
	for _, c := range d.Status.Conditions {
		if c.Type == appsv1.DeploymentReplicaFailure && c.Status == corev1.ConditionTrue {
			return c.Message
		}
	}
	return ""
}

// refusals is why gateways cannot use the table, "" if none says so.
func refusals(all []answer, want string) string {
	for _, a := range all {
		if a.err == nil && a.ack.Refused == want {
			return fmt.Sprintf("gateway %s cannot use the table: %s", a.pod, a.ack.Why)
		}
	}
	return ""
}

// asking is shared by all rollouts. Connections are not kept: there are many
// gateways, each of which is asked a few times a rollout.
var asking = &http.Client{Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true}}

// ask asks a gateway over HTTP.
func ask(ctx context.Context, address, want string) (fleet.Ack, error) {
	var a fleet.Ack
	u := url.URL{Scheme: "http", Host: address, Path: fleet.AckPath, RawQuery: url.Values{fleet.AckWant: {want}}.Encode()}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return a, err
	}
	res, err := asking.Do(req)
	if err != nil {
		return a, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return a, fmt.Errorf("status %d", res.StatusCode)
	}
	if err := json.NewDecoder(io.LimitReader(res.Body, ackBytes)).Decode(&a); err != nil {
		return a, fmt.Errorf("read the answer: %w", err)
	}
	return a, nil
}
