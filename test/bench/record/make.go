package main

import (
	"bytes"
	"math"
	"math/rand/v2"
	"strconv"
)

// rolloutFile judges the five kinds of metric that makes of a block hold.
const rolloutFile = `apiVersion: haldane.dev/v1alpha1
kind: ModelRollout
metadata: {name: fleet}
spec:
  endpoints:
    stable: {version: v1, url: "http://127.0.0.1:9001"}
    canary: {version: v2, url: "http://127.0.0.1:9002"}
  strategy: {canary: {steps: [{shadow: {percent: 100}}, {weight: 5}, {weight: 50}, {weight: 100}]}}
  routing: {gateway: {listen: "127.0.0.1:8080"}}
  analysis:
    metrics:
    - {name: errors, errorRate: {}}
    - {name: latency, latency: {maxOver: {100ms: 2pp}}}
    - {name: answers, drift: {max: 0.05}}
    - {name: confidence, mean: {of: confidence, maxDecrease: 0.02}}
    - {name: agreement, pairs: {maxDisagreement: 5%}}
`

// order is how the blocks of many rollouts follow each other.
type order string

const (
	successive  order = "one after another"
	interleaved order = "interleaved"
)

// record makes the blocks of healthy rollouts as it is read: a hundred requests
// a second, 15 seconds a block.
type record struct {
	order    order
	rollouts int
	size     int64 // stop after this many bytes, at the end of a round

	r       *rand.Rand
	rest    bytes.Buffer
	written int64 // blocks
	length  int64 // bytes of them
}

func newRecord(o order, rollouts int, size int64) *record {
	return &record{order: o, rollouts: rollouts, size: size, r: rand.New(rand.NewPCG(1, 1))}
}

// blockBytes is about the length of a block.
const blockBytes = 470

// next returns which block of which rollout comes now; done at the end.
func (r *record) next() (rollout, block int64, done bool) {
	n := int64(r.rollouts)
	each := max(1, r.size/blockBytes/n)
	rollout, block = r.written/each, r.written%each
	if r.order == interleaved {
		rollout, block = r.written%n, r.written/n
	}
	return rollout, block, r.written >= each*n
}

func (r *record) Read(p []byte) (int, error) {
	for r.rest.Len() < len(p) {
		rollout, block, done := r.next()
		if done {
			break
		}
		before := r.rest.Len()
		r.block(rollout, block)
		r.written++
		r.length += int64(r.rest.Len() - before)
	}
	return r.rest.Read(p)
}

// about draws a count near a binomial one: its mean and its spread are right.
func (r *record) about(n int, p float64) int {
	k := math.Round(float64(n)*p + math.Sqrt(float64(n)*p*(1-p))*r.r.NormFloat64())
	return int(min(max(k, 0), float64(n)))
}

func (r *record) block(rollout, block int64) {
	const stable, canary, pairs = 1425, 75, 1425
	w := &r.rest
	w.WriteString(`{"rollout":"r`)
	r.number(int(rollout))
	w.WriteString(`","t":`)
	r.number(int(block+1) * 15)
	w.WriteString(`,"weight":5,"metrics":{"errors":{"stable":`)
	r.failures(stable)
	w.WriteString(`,"canary":`)
	r.failures(canary)
	w.WriteString(`},"latency":{"edges":[0.05,0.1,0.2],"stable":`)
	r.bins(stable, .63, .28, .07)
	w.WriteString(`,"canary":`)
	r.bins(canary, .63, .28, .07)
	w.WriteString(`},"answers":{"bins":["no","yes"],"stable":`)
	r.bins(stable, .73)
	w.WriteString(`,"canary":`)
	r.bins(canary, .73)
	w.WriteString(`},"confidence":{"stable":`)
	r.mean(stable)
	w.WriteString(`,"canary":`)
	r.mean(canary)
	w.WriteString(`},"agreement":{"pairs":`)
	r.number(pairs)
	w.WriteString(`,"disagree":`)
	r.number(r.about(pairs, .01))
	w.WriteString(`,"canaryOnlyBad":`)
	r.number(r.about(pairs, .002))
	w.WriteString(`,"stableOnlyBad":`)
	r.number(r.about(pairs, .002))
	w.WriteString("}}}\n")
}

func (r *record) number(n int) {
	r.rest.Write(strconv.AppendInt(r.rest.AvailableBuffer(), int64(n), 10))
}

func (r *record) failures(n int) {
	r.rest.WriteString(`{"n":`)
	r.number(n)
	r.rest.WriteString(`,"k":`)
	r.number(r.about(n, .01))
	r.rest.WriteByte('}')
}

// bins draws n into bins of these shares and a last one of the rest.
func (r *record) bins(n int, shares ...float64) {
	left, rest := n, 1.0
	r.rest.WriteString(`{"counts":[`)
	for _, p := range shares {
		k := r.about(left, p/rest)
		r.number(k)
		r.rest.WriteByte(',')
		left, rest = left-k, rest-p
	}
	r.number(left)
	r.rest.WriteString(`]}`)
}

// mean draws the sums of n confidences around 0.78 with a spread of 0.15.
func (r *record) mean(n int) {
	const mu, sd = .78, .15
	m := mu + sd/math.Sqrt(float64(n))*r.r.NormFloat64()
	r.rest.WriteString(`{"n":`)
	r.number(n)
	r.rest.WriteString(`,"sum":`)
	r.decimal(float64(n) * m)
	r.rest.WriteString(`,"sumsq":`)
	r.decimal(float64(n) * (m*m + sd*sd))
	r.rest.WriteByte('}')
}

func (r *record) decimal(x float64) {
	r.rest.Write(strconv.AppendFloat(r.rest.AvailableBuffer(), x, 'f', 1, 64))
}
