package replicas

import (
	"errors"
	"fmt"
	"math"
	"strconv"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/haldane-dev/haldane/internal/router/object"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// arms is what there is at one look. Nobody writes to it.
type arms struct {
	stable, canary *appsv1.Deployment // nil if there is none
	// Services of one arm each; nil if there is none.
	stableService, canaryService *corev1.Service
	all                          int32 // of stable's pods when it serves everything
}

// replicas is what a Deployment asks for, which is 1 where it does not say.
func replicas(d *appsv1.Deployment) int32 {
	switch {
	case d == nil:
		return 0
	case d.Spec.Replicas == nil:
		return 1
	}
	return *d.Spec.Replicas
}

// available is how many pods of d serve, 0 while the status is about another
// specification.
func available(d *appsv1.Deployment) int32 {
	if d == nil || d.Status.ObservedGeneration < d.Generation {
		return 0
	}
	return min(d.Status.AvailableReplicas, replicas(d))
}

// full is how many pods stable has when it serves everything.
func full(stable *appsv1.Deployment) int32 {
	if stable == nil {
		return 0
	}
	if n, err := strconv.ParseInt(stable.Annotations[annotationReplicas], 10, 32); err == nil && n > 0 {
		return int32(n)
	}
	return max(1, replicas(stable))
}

// pods returns how many of all pods are the canary's at a weight that is
// neither 0 nor all: the nearest number, and one of each arm at least.
func pods(all int32, w traffic.Weight) int32 {
	n := int32(math.Round(w.Share() * float64(all)))
	return max(1, min(n, all-1))
}

// reaches reports whether that many pods can be split at a weight: one of them
// is no more than was asked for.
func reaches(all int32, w traffic.Weight) bool {
	return w == 0 || w == traffic.Full || all > 1 && w.Share()*float64(all) >= 1
}

// stage is what is wanted on the way to a weight.
type stage struct {
	split          traffic.Split // the Service's; of generation 0 unless final
	final          bool          // the Service is as the weight wants it
	stable, canary int32         // pods; -1 is the workload's to say
}

// both is a split by which the Service selects both arms.
var both = traffic.Split{Canary: traffic.Full / 2}

// through returns what can be wanted now of a weight. late is true when it has
// been wanted for too long.
func (a arms) through(w traffic.Weight, late bool) stage {
	enough := a.all - a.all/4
	switch {
	case w == 0 && (available(a.stable) >= enough || late || available(a.canary) == 0):
		return stage{final: true, stable: a.all, canary: -1}
	case w == 0: // traffic stays on what has room
		return stage{split: both, stable: a.all, canary: max(1, a.all-available(a.stable))}
	case w == traffic.Full && (available(a.canary) >= enough || late && available(a.canary) > 0):
		return stage{final: true, stable: a.all, canary: a.all}
	case w == traffic.Full:
		return stage{split: both, stable: replicas(a.stable), canary: a.all}
	}
	c := pods(a.all, w)
	return stage{final: true, stable: max(a.all-c, a.all-available(a.canary)), canary: max(c, a.all-available(a.stable))}
}

// share is that of the canary's pods.
func (a arms) share() traffic.Weight {
	s, c := available(a.stable), available(a.canary)
	if s+c == 0 {
		return 0
	}
	return traffic.Percent(100 * float64(c) / float64(s+c))
}

// arrived reports whether the numbers of pods are those of a weight.
func (a arms) arrived(w traffic.Weight) bool {
	if w == 0 || w == traffic.Full {
		return true // the Service selects one arm
	}
	c := pods(a.all, w)
	is := func(d *appsv1.Deployment, n int32) bool {
		return replicas(d) == n && available(d) == n && d.Status.Replicas == n
	}
	return is(a.stable, a.all-c) && is(a.canary, c)
}

// selector returns what the Service selects at a weight. base is what the user
// wrote.
func (a arms) selector(base any, w traffic.Weight) (object.Content, error) {
	one := func(s *corev1.Service, name string) (object.Content, error) {
		if s == nil || len(s.Spec.Selector) == 0 {
			return object.Content{}, fmt.Errorf("the service of %s's pods is not there yet", name)
		}
		v, err := object.JSON(s.Spec.Selector)
		return object.Content{Value: v}, err
	}
	switch w {
	case 0:
		return one(a.stableService, "stable")
	case traffic.Full:
		return one(a.canaryService, "the candidate")
	}
	written, _ := base.(map[string]any)
	if len(written) == 0 {
		return object.Content{}, errors.New("it selects nothing: give it a selector")
	}
	set := labels.Set{}
	for k, v := range written {
		set[k], _ = v.(string)
	}
	for _, d := range []*appsv1.Deployment{a.stable, a.canary} {
		if d == nil || !labels.SelectorFromSet(set).Matches(labels.Set(d.Spec.Template.Labels)) {
			return object.Content{}, fmt.Errorf("it does not select the pods of both arms (%s): give it a selector that both have", set)
		}
	}
	return object.Content{Value: base}, nil
}
