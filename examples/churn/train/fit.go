package main

import (
	"errors"
	"fmt"
	"math"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/optimize"
)

// problem is a weighted, L2-regularised logistic regression. Its objective is
//
//	Σ wᵢ·(log(1+exp(zᵢ)) − yᵢ·zᵢ) / Σ wᵢ + penalty/2 · Σ βⱼ²,  z = Xβ
//
// with column 0 of X constant and β₀ not penalised. With a positive penalty it
// is strictly convex, so the optimum is unique and does not depend on where
// the search starts. (Hastie, Tibshirani, Friedman: The Elements of
// Statistical Learning, §4.4.)
type problem struct {
	x       *mat.Dense
	y       []float64 // 0 or 1
	weight  []float64 // positive
	penalty float64
}

// flat is the largest gradient entry at which a point counts as the optimum.
const flat = 1e-7

// fit returns the optimum, by Newton's method. Near the optimum losses differ
// by less than rounding and the line search may give up; the point it stopped
// at is taken if its gradient is flat.
func (p problem) fit() ([]float64, error) {
	_, n := p.x.Dims()
	task := optimize.Problem{Func: p.loss, Grad: p.gradient, Hess: p.hessian}
	settings := &optimize.Settings{GradientThreshold: flat / 100, MajorIterations: 200}
	result, err := optimize.Minimize(task, make([]float64, n), settings, &optimize.Newton{})
	if result == nil {
		return nil, fmt.Errorf("fit a logistic regression with %d coefficients: %w", n, err)
	}
	gradient := make([]float64, n)
	p.gradient(gradient, result.X)
	if steepest := floats.Norm(gradient, math.Inf(1)); !(steepest <= flat) {
		return nil, fmt.Errorf("fit a logistic regression with %d coefficients: stopped (%v) where the gradient is still %.2g: %w",
			n, result.Status, steepest, errors.Join(errNoOptimum, err))
	}
	return result.X, nil
}

// errNoOptimum tells that a search ended before the optimum.
var errNoOptimum = errors.New("no optimum found")

// scores returns z = Xβ.
func (p problem) scores(beta []float64) []float64 {
	rows, cols := p.x.Dims()
	z := mat.NewVecDense(rows, nil)
	z.MulVec(p.x, mat.NewVecDense(cols, beta))
	return z.RawVector().Data
}

func (p problem) totalWeight() float64 {
	sum := 0.0
	for _, w := range p.weight {
		sum += w
	}
	return sum
}

func (p problem) loss(beta []float64) float64 {
	sum := 0.0
	for i, z := range p.scores(beta) {
		sum += p.weight[i] * (softplus(z) - p.y[i]*z)
	}
	sum /= p.totalWeight()
	for _, b := range beta[1:] {
		sum += p.penalty / 2 * b * b
	}
	return sum
}

func (p problem) gradient(grad, beta []float64) {
	residual := p.scores(beta)
	total := p.totalWeight()
	for i, z := range residual {
		residual[i] = p.weight[i] * (sigmoid(z) - p.y[i]) / total
	}
	g := mat.NewVecDense(len(grad), grad)
	g.MulVec(p.x.T(), mat.NewVecDense(len(residual), residual))
	for j := 1; j < len(beta); j++ {
		grad[j] += p.penalty * beta[j]
	}
}

func (p problem) hessian(h *mat.SymDense, beta []float64) {
	total := p.totalWeight()
	var scaled mat.Dense
	scaled.CloneFrom(p.x)
	for i, z := range p.scores(beta) {
		s := sigmoid(z)
		root := math.Sqrt(p.weight[i] * s * (1 - s) / total)
		row := scaled.RawRowView(i)
		for j := range row {
			row[j] *= root
		}
	}
	h.SymOuterK(1, scaled.T())
	for j := 1; j < len(beta); j++ {
		h.SetSym(j, j, h.At(j, j)+p.penalty)
	}
}

func sigmoid(z float64) float64 { return 1 / (1 + math.Exp(-z)) }

// softplus is log(1+exp(z)) without overflow.
func softplus(z float64) float64 {
	if z > 0 {
		return z + math.Log1p(math.Exp(-z))
	}
	return math.Log1p(math.Exp(z))
}
