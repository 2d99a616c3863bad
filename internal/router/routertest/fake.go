package routertest

import (
	"context"
	"fmt"
	"sync"

	"github.com/haldane-dev/haldane/internal/router"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// Fake is a router in memory that carries what is applied at once, and refuses
// what was decided before that. The zero Fake is ready. It is safe for
// concurrent use.
type Fake struct {
	// OnApply, if set, is called before a split is stored; its error refuses
	// the split. Set it before use.
	OnApply func(traffic.Split) error
	// OnObserve, if set, may change what is reported. Set it before use.
	OnObserve func(context.Context, *traffic.Observed) error

	mu      sync.Mutex
	current *traffic.Split
	applied []traffic.Split
	written uint64 // sequence of the latest decision
}

var _ router.Router = (*Fake)(nil)

// Capabilities says that everything can be done.
func (f *Fake) Capabilities(context.Context, router.Target) (traffic.Capabilities, error) {
	return traffic.Capabilities{
		Weights: true, Mirror: true, Pairs: true, Sticky: true, Header: true,
		Cookie: true, Country: true, Cohort: true, ForcedKept: true, Variants: true,
	}, nil
}

// Apply stores s.
func (f *Fake) Apply(_ context.Context, t router.Target, s traffic.Split) error {
	if s.Canary < 0 || s.Canary > traffic.Full {
		return fmt.Errorf("canary weight %s is not between 0%% and 100%%", s.Canary)
	}
	if f.OnApply != nil {
		if err := f.OnApply(s); err != nil {
			return err
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.late(t); err != nil {
		return err
	}
	f.written = t.Sequence
	f.current = &s
	f.applied = append(f.applied, s)
	return nil
}

// Observe reports what is stored as Accepted, and Unknown before the first Apply.
func (f *Fake) Observe(ctx context.Context, _ router.Target) (traffic.Observed, error) {
	s, ok := f.Current()
	o := traffic.Observed{Level: traffic.Unknown}
	if ok {
		o = traffic.Observed{Level: traffic.Accepted, Generation: s.Generation, Canary: s.Canary, Mirror: s.Mirror, Slots: s.Slots}
	}
	if f.OnObserve != nil {
		if err := f.OnObserve(ctx, &o); err != nil {
			return traffic.Observed{Level: traffic.Unknown}, err
		}
	}
	return o, nil
}

// late refuses what an older decision wants. A hand has no sequence.
func (f *Fake) late(t router.Target) error {
	if t.Sequence != 0 && t.Sequence < f.written {
		return fmt.Errorf("a later decision has been written already: this is decision %d, and %d is there", t.Sequence, f.written)
	}
	return nil
}

// Release forgets the split.
func (f *Fake) Release(_ context.Context, t router.Target) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.late(t); err != nil {
		return err
	}
	f.current, f.written = nil, 0
	return nil
}

// Current returns the split that is carried, and false if there is none.
func (f *Fake) Current() (traffic.Split, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.current == nil {
		return traffic.Split{}, false
	}
	return *f.current, true
}

// Applied returns every split that was stored, oldest first.
func (f *Fake) Applied() []traffic.Split {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]traffic.Split(nil), f.applied...)
}
