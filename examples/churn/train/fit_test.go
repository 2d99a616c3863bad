package main

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/diff/fd"
	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"
)

// random makes a small problem from a fixed seed.
func random(rows, cols int, penalty float64) problem {
	rng := rand.New(rand.NewPCG(1, 2))
	p := problem{x: mat.NewDense(rows, cols, nil), penalty: penalty}
	for i := range rows {
		p.x.Set(i, 0, 1)
		for j := 1; j < cols; j++ {
			p.x.Set(i, j, rng.NormFloat64())
		}
		y := 0.0
		if rng.Float64() < sigmoid(p.x.At(i, 1)) {
			y = 1
		}
		p.y = append(p.y, y)
		p.weight = append(p.weight, 0.5+rng.Float64())
	}
	return p
}

// With a constant alone the optimum is the log-odds of the weighted share.
func TestFitConstant(t *testing.T) {
	p := problem{
		x: mat.NewDense(4, 1, []float64{1, 1, 1, 1}), penalty: 1,
		y: []float64{1, 0, 0, 0}, weight: []float64{2, 1, 1, 1},
	}
	beta, err := p.fit()
	if err != nil {
		t.Fatal(err)
	}
	if want := math.Log(2.0 / 3); math.Abs(beta[0]-want) > 1e-6 {
		t.Errorf("intercept %v, want %v", beta[0], want)
	}
}

// A two-by-two table has its coefficients in closed form: the log-odds of one
// row and the log of the odds ratio.
func TestFitTwoByTwo(t *testing.T) {
	p := problem{
		x:      mat.NewDense(4, 2, []float64{1, 0, 1, 0, 1, 1, 1, 1}),
		y:      []float64{0, 1, 0, 1},
		weight: []float64{30, 10, 20, 40},
	}
	beta, err := p.fit()
	if err != nil {
		t.Fatal(err)
	}
	if want := []float64{math.Log(10.0 / 30), math.Log(6)}; !floats.EqualApprox(beta, want, 1e-5) {
		t.Errorf("coefficients %v, want %v", beta, want)
	}
}

// The derivatives agree with finite differences of the loss.
func TestDerivatives(t *testing.T) {
	p := random(40, 4, 0.3)
	at := []float64{0.2, -0.7, 1.1, 0.4}
	gradient := make([]float64, 4)
	p.gradient(gradient, at)
	central := &fd.Settings{Formula: fd.Central}
	if want := fd.Gradient(nil, p.loss, at, central); !floats.EqualApprox(gradient, want, 1e-7) {
		t.Errorf("gradient %v, by differences %v", gradient, want)
	}
	hessian, want := mat.NewSymDense(4, nil), mat.NewSymDense(4, nil)
	p.hessian(hessian, at)
	fd.Hessian(want, p.loss, at, nil)
	if !mat.EqualApprox(hessian, want, 1e-4) {
		t.Errorf("hessian\n%v\nby differences\n%v", mat.Formatted(hessian), mat.Formatted(want))
	}
}

// A weight of two is the same as a customer who is there twice.
func TestWeightsCountCustomers(t *testing.T) {
	p := random(60, 3, 0.01)
	for i := range p.weight {
		p.weight[i] = 1
	}
	doubled := problem{x: mat.NewDense(61, 3, nil), penalty: p.penalty,
		y: append(append([]float64{}, p.y...), p.y[7]), weight: append(append([]float64{}, p.weight...), 1)}
	doubled.x.Slice(0, 60, 0, 3).(*mat.Dense).Copy(p.x)
	doubled.x.SetRow(60, p.x.RawRowView(7))
	p.weight[7] = 2
	a, err := p.fit()
	if err != nil {
		t.Fatal(err)
	}
	b, err := doubled.fit()
	if err != nil {
		t.Fatal(err)
	}
	if !floats.EqualApprox(a, b, 1e-6) {
		t.Errorf("weighted %v, repeated %v", a, b)
	}
}

// A larger penalty shrinks the coefficients but not the intercept's freedom.
func TestPenaltyShrinks(t *testing.T) {
	norm := math.Inf(1)
	for _, penalty := range []float64{1e-4, 1e-2, 1, 100} {
		beta, err := random(200, 4, penalty).fit()
		if err != nil {
			t.Fatal(err)
		}
		if n := floats.Norm(beta[1:], 2); n >= norm {
			t.Errorf("penalty %v: norm %v, no less than %v", penalty, n, norm)
		} else {
			norm = n
		}
	}
}

// Where no point is flat, the fit says so instead of returning one.
func TestFitRefusesNonsense(t *testing.T) {
	p := random(10, 2, 0.1)
	p.y[0] = math.NaN()
	if _, err := p.fit(); !errors.Is(err, errNoOptimum) {
		t.Errorf("a label that is NaN: error %v, want errNoOptimum", err)
	}
}

func TestSoftplus(t *testing.T) {
	for _, test := range []struct{ z, want float64 }{
		{0, math.Ln2}, {1000, 1000}, {-1000, 0}, {2, math.Log(1 + math.Exp(2))}, {-2, math.Log(1 + math.Exp(-2))},
	} {
		if got := softplus(test.z); math.Abs(got-test.want) > 1e-12 {
			t.Errorf("softplus(%v) = %v, want %v", test.z, got, test.want)
		}
	}
}
