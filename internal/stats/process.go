package stats

import (
	"math"
	"slices"
)

// earlyPhi is the dispersion assumed while the first blocks are held back:
// before it can be estimated, evidence counts for a sixteenth.
const earlyPhi = 16

// Schedule spreads the stake of an e-process over its starting times: First at
// once, the rest in equal parts over Slots later times. Restarting costs little
// when the effect is there from the start and saves much when it comes late.
type Schedule struct {
	First float64
	Slots int
}

// Once stakes everything at the start.
var Once = Schedule{First: 1}

// Restarting stakes 0.9 at the start and spreads the rest over n slots. Without
// slots it is Once.
func Restarting(n int) Schedule {
	if n <= 0 {
		return Once
	}
	return Schedule{First: .9, Slots: n}
}

// waiting is the stake that has not been put down after j restarts.
func (s Schedule) waiting(j int) float64 {
	if s.Slots == 0 || j >= s.Slots {
		return 0
	}
	return (1 - s.First) * float64(s.Slots-j) / float64(s.Slots)
}

// Temper says how a block's evidence is weakened for dispersion.
type Temper struct {
	Phi     float64 // ≥ 1; log evidence is divided by it
	Careful float64 // takes the place of Phi, if it is larger, for evidence that promotes
	Hold    bool    // the dispersion cannot be told yet: keep the evidence back
}

// ForPromotion is how the same block's evidence for a promotion is weakened.
func (t Temper) ForPromotion() Temper {
	t.Phi = math.Max(t.Phi, t.Careful)
	return t
}

// Process is the state of one mixture e-process. Its size does not depend on the
// number of blocks or restarts: all restarts of one component share one number,
// S ← (S + stake)·factor.
type Process struct {
	Log      []float64 `json:"log"`            // per component, ln of the stake put down and what became of it
	Held     []float64 `json:"held,omitempty"` // log evidence kept back, untempered
	Restarts int       `json:"restarts,omitempty"`
}

// NewProcess returns a process over k components that has seen nothing.
func NewProcess(k int, s Schedule) Process {
	p := Process{Log: make([]float64, k)}
	for i := range p.Log {
		p.Log[i] = Log(s.First)
	}
	return p
}

// Clone returns a copy that shares nothing with p.
func (p Process) Clone() Process {
	p.Log = append([]float64(nil), p.Log...)
	p.Held = append([]float64(nil), p.Held...)
	return p
}

// Advance puts down the stakes due before the block, due being the number of
// slots whose time has come since the process began, and multiplies by the
// block's factors. No stake is put down while evidence is held back, because
// what is held belongs to the stakes already there; they follow in the next
// block.
func (p *Process) Advance(factors []float64, t Temper, s Schedule, due int) {
	if t.Hold {
		if p.Held == nil {
			p.Held = make([]float64, len(p.Log))
		}
		for i, f := range factors {
			p.Held[i] += f
		}
		return
	}
	if p.Held != nil {
		for i, h := range p.Held {
			p.Log[i] += h / t.Phi
		}
		p.Held = nil
	} else if due = min(due, s.Slots); due > p.Restarts {
		stake := Log(s.waiting(p.Restarts) - s.waiting(due))
		for i := range p.Log {
			p.Log[i] = LogAdd(p.Log[i], stake)
		}
		p.Restarts = due
	}
	for i, f := range factors {
		p.Log[i] += f / t.Phi
	}
}

// LogE returns the logarithm of the e-process: the weighted sum over components
// plus the stake not yet put down. Evidence held back counts for a sixteenth.
func (p Process) LogE(shares []float64, s Schedule) float64 {
	var buf [16]float64
	terms := append(buf[:0], Log(s.waiting(p.Restarts)))
	for i, l := range p.Log {
		if p.Held != nil {
			l += p.Held[i] / earlyPhi
		}
		terms = append(terms, l)
	}
	// Σ share·e^l: the shares are applied to the scaled terms, sparing a logarithm
	// for each.
	top := slices.Max(terms)
	sum := math.Exp(terms[0] - top)
	for i, l := range terms[1:] {
		sum += shares[i] * math.Exp(l-top)
	}
	return top + math.Log(sum)
}
