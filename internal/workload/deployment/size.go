package deployment

import (
	"strconv"

	appsv1 "k8s.io/api/apps/v1"

	"github.com/haldane-dev/haldane/internal/rollout"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// sizes are the numbers of pods that are wanted.
type sizes struct {
	canary int32
	stable int32
	all    int32 // of stable when it serves everything
}

// full is how many pods stable has when it serves everything: what people or
// an autoscaler want of it, or wanted before some were taken away.
func full(stable *appsv1.Deployment) int32 {
	if n, err := strconv.ParseInt(stable.Annotations[AnnotationReplicas], 10, 32); err == nil && n > 0 {
		return int32(n)
	}
	return max(1, replicas(stable))
}

// replicas is what a Deployment asks for, which is 1 where it does not say.
func replicas(d *appsv1.Deployment) int32 {
	if d.Spec.Replicas == nil {
		return 1
	}
	return *d.Spec.Replicas
}

// sizes returns how many pods each arm is to have, all being stable's number
// when it serves everything. Surge leaves stable as it is; Swap keeps the sum,
// and one pod of each arm that is wanted, so that with a single pod there is
// nothing to swap.
func (w *Workload) sizes(s rollout.Scale, all int32) sizes {
	z := sizes{stable: all, all: all}
	if s.Canary {
		z.canary = w.canarySize(s.Room, all)
	}
	switch {
	case !s.Stable && w.keepsTraffic():
		z.stable = 0
	case w.swaps(all) && z.canary > 0:
		z.canary = min(z.canary, all-1)
		z.stable = all - z.canary
	}
	return z
}

func (w *Workload) canarySize(room traffic.Weight, all int32) int32 {
	by := w.spec().Replicas
	switch {
	case room >= traffic.Full:
		return all
	case by.By == "Fixed":
		return by.Count
	case by.By == "One":
		return 1
	}
	return max(1, int32((int64(all)*int64(room)+int64(traffic.Full)-1)/int64(traffic.Full)))
}

// swaps reports whether pods of one arm make room for those of the other.
func (w *Workload) swaps(all int32) bool { return w.spec().Order == "Swap" && all > 1 }

// slack is how many of all pods may be missing while they are still said to
// have room for all traffic: of stable as many as a Deployment may lack to be
// called available by default; when pods are swapped, one is always between
// the arms.
func (w *Workload) slack(all int32, of rollout.Role) int32 {
	var n int32
	if of == traffic.Stable {
		n = all / 4
	}
	if w.swaps(all) {
		n = max(n, 1)
	}
	return n
}

// short returns the share of all traffic that a number of available pods has
// no room for.
func (w *Workload) short(available, all int32, of rollout.Role) traffic.Weight {
	if w.byRatio() {
		return 0
	}
	lack := all - available - w.slack(all, of)
	by := w.spec().Replicas
	switch {
	case lack <= 0:
		return 0
	case of == traffic.Canary && by.By == "Fixed" && available >= min(by.Count, all), of == traffic.Canary && by.By == "One" && available >= 1:
		return 1 // for the user to say: room for anything but all
	}
	return traffic.Weight((int64(lack)*int64(traffic.Full) + int64(all) - 1) / int64(all))
}

// byRatio reports whether numbers of pods are how traffic is split: then they
// are the router's.
func (w *Workload) byRatio() bool { return w.r.Spec.Routing.Replicas != nil }
