package replicas

import "time"

// SetClock makes r go by a clock of the test's.
func (r *Router) SetClock(now func() time.Time) { r.now, r.settle.Now, r.contest.Now = now, now, now }
