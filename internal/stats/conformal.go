package stats

import (
	"math"
	"slices"
	"sort"
)

// Direction says which change of a number is looked for.
type Direction int

// The directions.
const (
	EitherWay Direction = iota
	Upward
	Downward
)

// Conformal is a conformal test martingale: it bets against a number being what it
// used to be. Its null hypothesis is that all readings, those of the history and
// those after it, are exchangeable: every order of them was equally likely, as it
// is when they are independent and of one distribution, whichever that is.
//
// Each reading is ranked among all readings up to itself, ties broken by a draw
// that depends on nothing. Under the null the ranks, as shares of how many there
// are, are independent and uniform on (0,1) (Vovk, Gammerman and Shafer,
// Algorithmic Learning in a Random World, 2005, theorem 8.2). So bets on them that
// are fair on a uniform number make a martingale that begins at 1, and by Ville's
// inequality it ever reaches 1/α with probability at most α. Readings that depend
// on those shortly before them are not exchangeable, and break this.
//
// The bets are ε·p^(ε−1) (Vovk, Nouretdinov and Gammerman, Testing exchangeability
// on-line, ICML 2003) for a few ε, one of which is 1 and bets nothing; a share of the
// capital is dealt anew before each reading, so that a change is found when it comes
// late too (the Simple Jumper of Vovk et al., Retrain or not retrain, COPA 2021).
//
// It keeps every reading. The zero value has no history and looks either way.
type Conformal struct {
	direction Direction
	seen      []float64 // ascending
	capital   [2][len(bets)]float64
	logE      float64
	begun     bool
}

// bets are the ε, from none to bold, stakes how the capital is dealt, and dealt the
// share of it that is dealt anew before each reading. What they find, and how soon,
// is held by TestConformalDelay.
var (
	bets   = [...]float64{1, .6, .35, .2, .1}
	stakes = [...]float64{.6, .1, .1, .1, .1}
)

const dealt = .05

// leastRank is as near to an end as a rank is taken to be.
const leastRank = 1e-17

// NewConformal returns a martingale that bets nothing on a history and is ready
// for what comes after it. What is not finite is left out.
func NewConformal(history []float64, d Direction) *Conformal {
	c := &Conformal{direction: d}
	for _, x := range history {
		if !math.IsNaN(x) && !math.IsInf(x, 0) {
			c.seen = append(c.seen, x)
		}
	}
	slices.Sort(c.seen)
	return c
}

// Add takes a finite reading in and returns its smoothed rank from above, in (0,1):
// near 0 for one that is larger than all before it. u in [0,1) is a draw of its own
// for every reading, on which nothing else depends.
func (c *Conformal) Add(x, u float64) float64 {
	below := sort.SearchFloat64s(c.seen, x)
	through := below + sort.Search(len(c.seen)-below, func(i int) bool { return c.seen[below+i] > x })
	n := float64(len(c.seen) + 1)
	// Those above, and of those as large, itself included, a random share.
	p := (float64(len(c.seen)-through) + u*float64(through-below+1)) / n
	c.seen = slices.Insert(c.seen, below, x)
	c.bet(p)
	return p
}

// bet bets on both ends, as much as the direction allows.
func (c *Conformal) bet(p float64) {
	if !c.begun {
		share := [2]float64{.5, .5}
		switch c.direction {
		case Upward:
			share = [2]float64{1, 0}
		case Downward:
			share = [2]float64{0, 1}
		}
		for end := range share {
			for i := range bets {
				c.capital[end][i] = share[end] * stakes[i]
			}
		}
		c.begun = true
	}
	total := 0.0
	for end, q := range [2]float64{p, 1 - p} {
		// A floor makes a bet pay less than it might, never more.
		q = math.Max(q, leastRank)
		whole := 0.0
		for _, x := range c.capital[end] {
			whole += x
		}
		for i, e := range bets {
			x := (1-dealt)*c.capital[end][i] + dealt*stakes[i]*whole
			c.capital[end][i] = x * e * math.Pow(q, e-1)
			total += c.capital[end][i]
		}
	}
	// The capital is kept at 1 and its logarithm apart, so that neither end of the
	// range of numbers is ever reached.
	c.logE += math.Log(total)
	for end := range c.capital {
		for i := range c.capital[end] {
			c.capital[end][i] /= total
		}
	}
}

// LogE returns the logarithm of the martingale, 0 before the first reading.
func (c *Conformal) LogE() float64 { return c.logE }

// N returns how many readings it has, those of the history included.
func (c *Conformal) N() int { return len(c.seen) }

// Median returns that of all readings, 0 of none.
func (c *Conformal) Median() float64 {
	n := len(c.seen)
	if n == 0 {
		return 0
	}
	return (c.seen[(n-1)/2] + c.seen[n/2]) / 2
}

// Serial returns how much consecutive numbers depend on each other: their rank
// correlation at lag one (Wald and Wolfowitz 1943, of ranks), and how many standard
// deviations that is from what exchangeable numbers have. Both are 0 of fewer than
// eight numbers, or of equal ones.
func Serial(numbers []float64) (correlation, deviations float64) {
	n := len(numbers)
	if n < 8 {
		return 0, 0
	}
	ranks := midranks(numbers)
	mean := float64(n+1) / 2
	num, den := 0.0, 0.0
	for i, r := range ranks {
		den += (r - mean) * (r - mean)
		if i > 0 {
			num += (r - mean) * (ranks[i-1] - mean)
		}
	}
	if den == 0 {
		return 0, 0
	}
	correlation = num / den
	// Of a random order the mean is −1/n, and the variance about 1/n.
	return correlation, (correlation + 1/float64(n)) * math.Sqrt(float64(n))
}

// midranks are the ranks of numbers, from 1, ties at the middle of theirs.
func midranks(numbers []float64) []float64 {
	order := make([]int, len(numbers))
	for i := range order {
		order[i] = i
	}
	sort.SliceStable(order, func(a, b int) bool { return numbers[order[a]] < numbers[order[b]] })
	out := make([]float64, len(numbers))
	for i := 0; i < len(order); {
		j := i
		for j < len(order) && numbers[order[j]] == numbers[order[i]] {
			j++
		}
		for k := i; k < j; k++ {
			out[order[k]] = float64(i+j+1) / 2
		}
		i = j
	}
	return out
}

// Draw returns the i-th of a sequence of numbers in [0,1) that a seed stands for
// (SplitMix64: Steele, Lea and Flood, OOPSLA 2014). It is a draw that can be
// repeated: equal arguments give equal numbers.
func Draw(seed, i uint64) float64 {
	z := seed + (i+1)*0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return float64((z^z>>31)>>11) / (1 << 53)
}
