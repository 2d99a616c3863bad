package main

import "math"

// bound returns the fewest canary requests, on average, after which any test of
// level alpha, however often it looks, can have told a canary that fails with
// probability canary from stable: w·ln(1/α)/D, where a request carries
// D = w·KL(p_C‖p̄) + (1−w)·KL(p_B‖p̄), p̄ = w·p_C + (1−w)·p_B (Wald's bound, with the
// nearest null).
func bound(stable, canary, weight, alpha float64) float64 {
	mixed := weight*canary + (1-weight)*stable
	d := weight*divergence(canary, mixed) + (1-weight)*divergence(stable, mixed)
	return weight * math.Log(1/alpha) / d
}

// divergence is the Kullback–Leibler divergence of two coins, in nats.
func divergence(p, q float64) float64 {
	return p*math.Log(p/q) + (1-p)*math.Log((1-p)/(1-q))
}
