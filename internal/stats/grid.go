package stats

// Grid is a prior over effect sizes: odds ratios and the share of evidence staked
// on each. The shares sum to 1.
type Grid struct {
	Odds   []float64
	Shares []float64
}

// Effects is the grid for failures and wrong answers. Against a wider grid of
// eight it needs 2 to 4% fewer requests at ×1.5 and ×2.
func Effects() Grid {
	return Grid{
		Odds:   []float64{1.25, 1.5, 2, 3, 5, 12, 50},
		Shares: []float64{.08, .27, .27, .14, .14, .07, .03},
	}
}

// Outcomes is the grid for wrong predictions, which are not rare: a few points
// more of them move the odds far less than failures do.
func Outcomes() Grid {
	return Grid{
		Odds:   []float64{1.05, 1.1, 1.2, 1.4, 2, 4, 12},
		Shares: []float64{.2, .25, .2, .15, .1, .06, .04},
	}
}

// Slowdowns is the grid for exceedances of a latency edge, where shifts of the
// whole distribution move the odds less than failures do.
func Slowdowns() Grid {
	return Grid{
		Odds:   []float64{1.1, 1.25, 1.5, 2, 3, 5, 10},
		Shares: []float64{.15, .2, .2, .2, .1, .1, .05},
	}
}

// Shifts is the grid for shares of classes and score bins beyond a tolerance.
func Shifts() Grid {
	return Grid{
		Odds:   []float64{1.15, 1.4, 2, 5},
		Shares: []float64{.3, .3, .25, .15},
	}
}

// Pass is the only alternative of a promotion by shares: equality.
func Pass() Grid { return Grid{Shares: []float64{1}} }

// Faster is the grid that shows a canary within a latency margin, whose null is
// equality of two exceedances at different edges.
func Faster() Grid {
	return Grid{
		Odds:   []float64{1 / 1.15, 1 / 1.35, 1 / 1.7, 1. / 3},
		Shares: []float64{.3, .3, .3, .1},
	}
}

// Agreements is the grid that shows a rate to be under an absolute limit.
func Agreements() Grid {
	return Grid{
		Odds:   []float64{1 / 1.5, 1. / 3, .1},
		Shares: []float64{.4, .3, .3},
	}
}

// Components returns the number of alternatives.
func (g Grid) Components() int { return len(g.Shares) }
