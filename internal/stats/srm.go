package stats

import "math"

// tilts are the log odds by which the actual share of traffic may differ from the
// configured one; each is tried in both directions.
var tilts = [...]float64{.03, .06, .12, .25, .5, 1, 2, 6}

// Traffic is the sequential check that requests were split as configured (sample
// ratio mismatch): a mixture, over tilts of the configured odds, of the likelihood
// ratios of the assignments seen. Each block's ratio uses the share configured for
// that block, so the share may change at any time; for a constant share this is a
// discrete counterpart of the beta-binomial Bayes factor of Lindon and Malek.
// The zero value has seen nothing.
type Traffic struct {
	Log [2 * len(tilts)]float64 `json:"log"`
}

// Observe adds decisions made while the canary's configured share was w. Shares
// of 0 and 1 leave nothing to check.
func (t *Traffic) Observe(w, stable, canary float64) {
	if w <= 0 || w >= 1 || stable < 0 || canary < 0 {
		return
	}
	for i, tilt := range tilts {
		t.Log[2*i] += tilted(w, tilt, stable, canary)
		t.Log[2*i+1] += tilted(w, -tilt, stable, canary)
	}
}

// LogE returns the log evidence that traffic is not split as configured.
func (t Traffic) LogE() float64 { return LogMean(t.Log[:]...) }

// tilted is the log-likelihood ratio of odds w/(1−w)·e^tilt to odds w/(1−w).
func tilted(w, tilt, stable, canary float64) float64 {
	// Shares: w·e^t/(1+w(e^t−1)) and (1−w)/(1+w(e^t−1)).
	norm := log1p(w * math.Expm1(tilt))
	return canary*(tilt-norm) - stable*norm
}
