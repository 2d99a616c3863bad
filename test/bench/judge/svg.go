package main

import (
	"fmt"
	"html"
	"math"
	"strings"
)

// drawing is an SVG under construction. Colours follow the reader's light or dark
// scheme.
type drawing struct {
	strings.Builder
	width, height float64
}

const style = `<style>
text{font:12px system-ui,sans-serif;fill:#24292f}.t{font-size:15px;font-weight:600}.m{fill:#6e7781}
.a{stroke:#d0d7de;fill:none}.r{stroke:#cf222e;fill:none;stroke-dasharray:4 3}
.s0{stroke:#0969da;fill:#0969da}.s1{stroke:#8c959f;fill:#8c959f}.l{fill:none;stroke-width:1.6}.s0.l{stroke-width:2.4}
.l,.s0.l{fill:none}
@media (prefers-color-scheme:dark){text{fill:#e6edf3}.m{fill:#9198a1}.a{stroke:#3d444d}.r{stroke:#f85149}
.s0{stroke:#4493f8;fill:#4493f8}.s1{stroke:#7d8590;fill:#7d8590}.l,.s0.l{fill:none}}
</style>
`

func newDrawing(title string, width, height float64) *drawing {
	d := &drawing{width: width, height: height}
	fmt.Fprintf(d, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %g %g" role="img" aria-label="%s">`+"\n",
		width, height, html.EscapeString(title))
	d.WriteString(style)
	d.text(16, 24, "t", "start", title)
	return d
}

func (d *drawing) end() string {
	d.WriteString("</svg>\n")
	return d.Builder.String()
}

func (d *drawing) text(x, y float64, class, anchor, s string) {
	fmt.Fprintf(d, `<text x="%.1f" y="%.1f" class="%s" text-anchor="%s">%s</text>`+"\n", x, y, class, anchor, html.EscapeString(s))
}

func (d *drawing) line(class string, x1, y1, x2, y2 float64) {
	fmt.Fprintf(d, `<path class="%s" d="M%.1f %.1fL%.1f %.1f"/>`+"\n", class, x1, y1, x2, y2)
}

func (d *drawing) dot(class string, x, y float64) {
	fmt.Fprintf(d, `<circle class="%s" cx="%.1f" cy="%.1f" r="3.5" fill-opacity=".6"/>`+"\n", class, x, y)
}

// series0 is the class of Haldane's own rows.
func classOf(rule string) string {
	if strings.HasPrefix(rule, "Haldane") {
		return "s0"
	}
	return "s1"
}

// falseRollbackPlot shows each rule's false rollbacks in all cells of one split, on
// a square-root scale that keeps 1% apart from 0.
func (e *experiment) falseRollbackPlot(split float64) string {
	rules := e.grid[key(bases[0], 1, rates[0], split)].tallies
	const left, right, top, row = 300, 700, 64, 26
	bottom := float64(top + row*len(rules))
	d := newDrawing("Healthy canaries taken back within an hour", 740, bottom+46)
	x := func(p float64) float64 { return left + (right-left)*math.Sqrt(p) }
	d.text(16, 44, "m", "start", fmt.Sprintf("one dot for each base error rate and request rate, %v%% of traffic to the canary", 100*split))
	for _, p := range []float64{0, .01, .05, .2, .5, 1} {
		class := "a"
		if p == .01 {
			class = "r"
		}
		d.line(class, x(p), top-6, x(p), bottom)
		d.text(x(p), bottom+18, "m", "middle", percent(p))
	}
	for i, r := range rules {
		y := top + row*(float64(i)+.5)
		d.text(left-14, y+4, "", "end", r.rule)
		for _, rps := range rates {
			for _, base := range bases {
				t := e.grid[key(base, 1, rps, split)].tallies[i]
				d.dot(classOf(r.rule), x(float64(t.early)/float64(t.runs)), y)
			}
		}
	}
	return d.end()
}

// detectionPlot shows which part of the rollouts of one cell each rule has taken
// back by when. Rules that take healthy canaries back are left out.
func (e *experiment) detectionPlot(c cell) string {
	healthy := c
	healthy.effect = 1
	const left, right, top, bottom = 60, 520, 56, 330
	d := newDrawing(fmt.Sprintf("Taken back by: errors %s → %s", percent(c.base), percent(c.base*c.effect)), 860, 380)
	d.text(16, 44, "m", "start", fmt.Sprintf("%v requests a second, %v%% to the canary", c.rps, 100*c.split))
	x := func(minute float64) float64 { return left + (right-left)*minute/60 }
	y := func(p float64) float64 { return bottom - (bottom-top-10)*p }
	for _, p := range []float64{0, .25, .5, .75, 1} {
		d.line("a", left, y(p), right, y(p))
		d.text(left-8, y(p)+4, "m", "end", percent(p))
	}
	for m := 0.; m <= 60; m += 10 {
		d.text(x(m), bottom+20, "m", "middle", fmt.Sprintf("%v min", m))
	}
	labels := 0
	for _, t := range e.grid[c].tallies {
		if fires(e.grid[healthy], t.rule) {
			continue
		}
		path := fmt.Sprintf("M%.1f %.1f", x(0), y(0))
		for i, m := range t.minutes {
			path += fmt.Sprintf("H%.1fV%.1f", x(m), y(float64(i+1)/float64(t.runs)))
		}
		path += fmt.Sprintf("H%.1f", x(60))
		fmt.Fprintf(d, `<path class="%s l" stroke-dasharray="%s" d="%s"/>`+"\n", classOf(t.rule), dashes[labels%len(dashes)], path)
		at := top + 18 + 24*float64(labels)
		fmt.Fprintf(d, `<path class="%s l" stroke-dasharray="%s" d="M%d %.1fh34"/>`+"\n", classOf(t.rule), dashes[labels%len(dashes)], right+24, at-4)
		d.text(right+66, at, "", "start", t.rule)
		labels++
	}
	return d.end()
}

// dashes tell lines apart without colour.
var dashes = []string{"none", "8 3", "2 3", "none", "8 3", "2 3", "10 3 2 3", "5 5", "1 4"}
