package gatewayapi

import "time"

// SetClock makes r go by a clock of the test's.
func (r *Router) SetClock(now func() time.Time) { r.now, r.contest.Now = now, now }
