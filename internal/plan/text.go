package plan

import (
	"fmt"
	"io"
	"math"
	"strings"
	"text/tabwriter"

	"github.com/haldane-dev/haldane/internal/rollout"
)

// Text prints the report for people: what to expect, a table of the steps, the
// probabilities as a picture, and other splits.
func (r *Report) Text(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s at %s requests a second, warm-up %s, at most %s\n\n", r.Rollout, number(r.RPS, 3), span(r.Warmup), span(r.MaxDuration))
	end := "is promoted"
	if r.settings.plan.End == rollout.EndReport {
		end = "passes"
	}
	switch {
	case math.IsInf(float64(r.Promotion.Half), 1):
		b.WriteString("A healthy canary is not expected to be promoted.\n")
	default:
		fmt.Fprintf(&b, "A healthy canary %s in about %s, nine of ten within %s; within %s with a probability of %s.\n",
			end, r.Promotion.Half, r.Promotion.Most, span(r.MaxDuration), percent(r.Promotion.InTime))
	}
	if r.waitsForPeople() {
		b.WriteString("The time that people take to approve comes on top.\n")
	}
	b.WriteString("\n")
	if err := r.table(&b); err != nil {
		return fmt.Errorf("print the plan: %w", err)
	}
	r.chart(&b)
	if err := r.splitTable(&b); err != nil {
		return err
	}
	if len(r.Unforeseen) > 0 {
		fmt.Fprintf(&b, "\nNot foretold, for lack of a baseline: %s.\n", strings.Join(r.Unforeseen, ", "))
	}
	for _, text := range r.Warnings {
		fmt.Fprintf(&b, "\nWarning: %s.\n", text)
	}
	_, err := io.WriteString(w, b.String())
	if err != nil {
		return fmt.Errorf("print the plan: %w", err)
	}
	return nil
}

func (r *Report) waitsForPeople() bool {
	for _, s := range r.Steps {
		if s.Pause != nil && math.IsInf(float64(s.Pause.Seconds), 1) {
			return true
		}
	}
	return false
}

// table prints a line for each metric of each step.
func (r *Report) table(b *strings.Builder) error {
	var table strings.Builder
	w := tabwriter.NewWriter(&table, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "STEP\tTRAFFIC\tMETRIC\tTO BE SHOWN\tHEALTHY PASSES\t80% CAUGHT\tTAKES\t95% CAUGHT\tTAKES")
	const empty = "\t\t\t\t\t" // rows with fewer cells would part the columns
	for _, s := range r.Steps {
		name := fmt.Sprint(s.Index + 1)
		switch {
		case s.Pause != nil && math.IsInf(float64(s.Pause.Seconds), 1):
			fmt.Fprintf(w, "%s\t\t\tpause until approved%s\n", name, empty)
		case s.Pause != nil && s.Weight > 0:
			fmt.Fprintf(w, "%s\t%s\t\tfor %s%s\n", name, s.traffic(), s.Pause.Seconds, empty)
		case s.Pause != nil:
			fmt.Fprintf(w, "%s\t\t\tpause of %s%s\n", name, s.Pause.Seconds, empty)
		case len(s.Metrics) == 0:
			fmt.Fprintf(w, "%s\t%s\t\t%s\n", name, s.traffic(), empty)
		}
		for i, m := range s.Metrics {
			where := s.traffic()
			if i > 0 {
				name, where = "", ""
			}
			passes := "does not gate"
			if m.Gates {
				passes = m.Passes.Half.String()
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", name, where, m.Name, m.Limit, passes,
				m.Four.say(), m.Four.takes(), m.Most.say(), m.Most.takes())
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for line := range strings.Lines(table.String()) {
		b.WriteString(strings.TrimRight(line, " \n") + "\n")
	}
	return nil
}

func (s Step) traffic() string {
	text := number(s.Weight, 4) + "%"
	if s.Shadow {
		text += " mirrored"
	}
	if s.Least > 0 {
		text += fmt.Sprintf(", %s at least", s.Least)
	}
	return text
}

func (c Caught) say() string {
	if c.Size == "" {
		return "none"
	}
	return c.Size
}

func (c Caught) takes() string {
	if c.Size == "" {
		return ""
	}
	return c.Fails.String()
}

// The size of the picture in characters.
const (
	chartWidth  = 61
	chartHeight = 11
)

// line is what is drawn of one thing.
type line struct {
	mark   byte   // in text
	label  string // in a picture
	points []PowerPoint
}

// lines are the curves of the metric that most steps are judged by first.
func (r *Report) lines() []line {
	var out []line
	for _, p := range r.pictured() {
		out = append(out, line{mark(p.Step), fmt.Sprintf("step %d, %s%%", p.Step+1, number(p.Weight, 4)), p.Points})
	}
	return out
}

// chart draws the probability of being caught against the size of a regression,
// one digit or letter for each step.
func (r *Report) chart(b *strings.Builder) {
	curves := r.pictured()
	if len(curves) == 0 {
		return
	}
	fmt.Fprintf(b, "\nProbability of being taken back, by the size of a regression in %s (one mark for each step)\n\n", curves[0].Metric)
	plot(b, r.lines())
}

// plot draws lines in characters. Where they meet the later one is seen.
func plot(b *strings.Builder, lines []line) {
	grid := make([][]byte, chartHeight)
	for i := range grid {
		grid[i] = []byte(strings.Repeat(" ", chartWidth))
	}
	first := lines[0].points
	for _, p := range lines {
		for x := range chartWidth {
			at := float64(x) / (chartWidth - 1) * float64(len(p.points)-1)
			i := min(int(at), len(p.points)-2)
			y := p.points[i].Probability + (at-float64(i))*(p.points[i+1].Probability-p.points[i].Probability)
			grid[chartHeight-1-int(math.Round(y*(chartHeight-1)))][x] = p.mark
		}
	}
	for i, row := range grid {
		fmt.Fprintf(b, "%4d%% |%s\n", 100-i*100/(chartHeight-1), strings.TrimRight(string(row), " "))
	}
	fmt.Fprintf(b, "      +%s\n", strings.Repeat("-", chartWidth))
	middle := first[len(first)/2].Size
	left, right := first[0].Size, first[len(first)-1].Size
	gap := max(1, (chartWidth-len([]rune(middle)))/2-len([]rune(left)))
	rest := max(1, chartWidth-len([]rune(left))-gap-len([]rune(middle))-len([]rune(right))/2)
	fmt.Fprintf(b, "       %s%s%s%s%s\n", left, strings.Repeat(" ", gap), middle, strings.Repeat(" ", rest), right)
}

// pictured are the curves of the metric that most steps are judged by first.
func (r *Report) pictured() []Power {
	by := map[string][]Power{}
	best := ""
	for _, p := range r.Power {
		by[p.Metric] = append(by[p.Metric], p)
		if len(by[p.Metric]) > len(by[best]) {
			best = p.Metric
		}
	}
	return by[best]
}

// mark is the character of a step: 1 to 9, then a to z.
func mark(step int) byte {
	switch {
	case step < 9:
		return byte('1' + step)
	case step < 35:
		return byte('a' + step - 9)
	}
	return '*'
}

// splitTable prints what other shares of traffic would cost.
func (r *Report) splitTable(b *strings.Builder) error {
	if len(r.Splits) == 0 {
		return nil
	}
	fmt.Fprintf(b, "\nOne share of traffic all through, warm-up included: a healthy canary, and one with %s\n\n", r.Splits[0].Size)
	w := tabwriter.NewWriter(b, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "TRAFFIC\tHEALTHY PASSES\tTAKEN BACK\tREQUESTS TO IT UNTIL THEN")
	for _, s := range r.Splits {
		requests := "-"
		if !math.IsInf(s.Requests, 1) {
			requests = number(s.Requests, 2)
		}
		fmt.Fprintf(w, "%s%%\t%s\t%s\t%s\n", number(s.Weight, 3), s.Passes, s.Fails, requests)
	}
	return w.Flush()
}
