package node

import "time"

// backOff is the kubelet's schedule: the first restart is immediate, the
// second waits base, each further one twice as long, up to thirty times base;
// a run that lasts twice that long starts the count anew.
type backOff struct {
	base  time.Duration
	wait  time.Duration
	tried bool
}

// next returns the wait after a run of the given length.
func (b *backOff) next(ran time.Duration) time.Duration {
	longest := 30 * b.base
	if ran >= 2*longest {
		*b = backOff{base: b.base}
	}
	switch {
	case !b.tried:
		b.tried = true
	case b.wait == 0:
		b.wait = b.base
	default:
		b.wait = min(2*b.wait, longest)
	}
	return b.wait
}
