package fleet

import (
	"sync"
	"sync/atomic"

	"github.com/haldane-dev/haldane/internal/gateway"
	"github.com/haldane-dev/haldane/internal/telemetry"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// Recorders is a gateway.Recorder that begins to count anew with each pair of
// versions.
type Recorders struct {
	options telemetry.Options
	mine    func(key uint64) bool
	now     atomic.Pointer[epoch]
	reading sync.RWMutex // held for writing while now changes
}

// epoch is the time of one pair of versions.
type epoch struct {
	from     uint64 // first generation
	recorder *telemetry.Recorder
	before   *telemetry.Recorder // takes what was decided earlier
	serving  Document
}

var _ gateway.Recorder = (*Recorders)(nil)

// NewRecorders returns one that has seen nothing. mine says whether this replica
// is the one that counts a user, by the hash of its key: each user is to be
// counted once by all replicas together.
func NewRecorders(o telemetry.Options, mine func(key uint64) bool) *Recorders {
	r := &Recorders{options: o, mine: mine}
	r.now.Store(&epoch{recorder: telemetry.New(o)})
	return r
}

// begin counts generations from one on apart, for what d names, and returns what
// takes that back. resumed says that other replicas, or one before this, may
// have counted users of the revision already.
func (r *Recorders) begin(from uint64, d Document, resumed bool) (undo func()) {
	fresh := telemetry.New(r.options)
	if resumed && (d.Split.Canary > 0 || d.Split.Slots != "") {
		fresh.IgnoreKeys()
	}
	r.reading.Lock()
	defer r.reading.Unlock()
	old := r.now.Load()
	r.now.Store(&epoch{from: from, recorder: fresh, before: old.recorder, serving: d})
	return func() {
		r.reading.Lock()
		defer r.reading.Unlock()
		r.now.Store(old)
	}
}

// arms is how many arms can be told apart.
func (r *Recorders) arms() int { return max(r.options.Arms, traffic.NumArms) }

func (r *Recorders) of(generation uint64) *telemetry.Recorder {
	e := r.now.Load()
	if generation < e.from && e.before != nil {
		return e.before
	}
	return e.recorder
}

// Assign implements gateway.Recorder.
func (r *Recorders) Assign(c traffic.Choice, s *traffic.Split) {
	if c.Keyed && !r.mine(c.KeyHash) {
		c.Forced = true // another replica's to count
	}
	r.of(s.Generation).Assign(c, s)
}

// Observe implements gateway.Recorder.
func (r *Recorders) Observe(x *telemetry.Exchange) { r.of(x.Generation).Observe(x) }

// ObservePair implements gateway.Recorder.
func (r *Recorders) ObservePair(p telemetry.Pair) { r.now.Load().recorder.ObservePair(p) }

// MirrorDropped implements gateway.Recorder.
func (r *Recorders) MirrorDropped() { r.now.Load().recorder.MirrorDropped() }

// Read calls f while what is counted, and for whom, cannot change places. f may
// call Snapshot and Serving.
func (r *Recorders) Read(f func()) {
	r.reading.RLock()
	defer r.reading.RUnlock()
	f()
}

// Snapshot returns everything counted for what Serving names.
func (r *Recorders) Snapshot() *telemetry.Snapshot { return r.now.Load().recorder.Snapshot() }

// Serving returns the document under which counting began; the zero Document
// before the first. Of it, what names the counts holds now: the rollout, the
// revision and the versions.
func (r *Recorders) Serving() Document { return r.now.Load().serving }
