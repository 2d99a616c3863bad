package plan

import (
	"fmt"
	"io"
	"math"
	"strings"
	"text/tabwriter"
)

// Text prints the report for people: what to expect, how it ends by how much better
// an arm is, as a table and as a picture, and how harm is ended.
func (r *Experiment) Text(w io.Writer) error {
	var b strings.Builder
	t := r.trial
	fmt.Fprintf(&b, "%s at %s requests a second, an experiment of %d arms, at most %s", r.Rollout, number(r.RPS, 3), len(r.Arms), span(r.MaxDuration))
	if r.MinDuration > 0 {
		fmt.Fprintf(&b, ", at least %s", span(r.MinDuration))
	}
	fmt.Fprintf(&b, "\nThe goal is at %s today; what is worth having is %s more (minEffect).\n", t.reached(r.Goal), t.amount(r.MinEffect))
	if r.Counts > 0 {
		fmt.Fprintf(&b, "The first values count after %s.\n", span(r.Counts))
	}
	b.WriteString("\n")
	r.headline(&b)
	b.WriteString("\n")
	if err := r.tables(&b); err != nil {
		return fmt.Errorf("print the plan: %w", err)
	}
	if len(r.Unforeseen) > 0 {
		fmt.Fprintf(&b, "\nNot foretold, for lack of a baseline: %s.\n", strings.Join(r.Unforeseen, ", "))
	}
	for _, text := range r.Warnings {
		fmt.Fprintf(&b, "\nWarning: %s.\n", text)
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("print the plan: %w", err)
	}
	return nil
}

// reached writes a mean of the goal.
func (t *trial) reached(x float64) string {
	if t.share() {
		return percent(x)
	}
	return number(x, 3)
}

func (r *Experiment) headline(b *strings.Builder) {
	if r.Four.Size == "" {
		b.WriteString("No arm is expected to win, however much better it is.\n")
		return
	}
	fmt.Fprintf(b, "An arm that is better than each other one by %s wins with a probability of %s, in about %s", r.Four.Size, percent(r.Four.Probability), r.Four.Wins)
	if r.Most.Size != "" {
		fmt.Fprintf(b, "; one that is by %s with %s, in about %s", r.Most.Size, percent(r.Most.Probability), r.Most.Wins)
	}
	b.WriteString(".\n")
}

func (r *Experiment) tables(b *strings.Builder) error {
	table := func(print func(w io.Writer)) error {
		var text strings.Builder
		w := tabwriter.NewWriter(&text, 0, 4, 2, ' ', 0)
		print(w)
		if err := w.Flush(); err != nil {
			return err
		}
		for line := range strings.Lines(text.String()) {
			b.WriteString(strings.TrimRight(line, " \n") + "\n")
		}
		return nil
	}
	if err := table(r.printArms); err != nil {
		return err
	}
	b.WriteString("\n")
	if err := table(r.printOutcomes); err != nil {
		return err
	}
	fmt.Fprintf(b, "\nHow it ends, by how much better %s is than each other arm (w: it wins, f: for futility)\n\n", r.Arms[r.trial.slowest()].Name)
	plot(b, r.lines())
	if len(r.Harm) == 0 {
		return nil
	}
	b.WriteString("\nA treatment that is worse by a metric is closed, and its users go to the control\n\n")
	return table(r.printHarm)
}

func (r *Experiment) printArms(w io.Writer) {
	fmt.Fprintln(w, "ARM\tTRAFFIC\tVALUES A DAY")
	for _, a := range r.Arms {
		fmt.Fprintf(w, "%s\t%s%%\t%s\n", a.Name, number(a.Weight, 3), number(a.Values*86400, 2))
	}
}

func (r *Experiment) printOutcomes(w io.Writer) {
	head := "BEST\tBY\tWINS\tIN ABOUT\tNINE OF TEN\tFUTILE\tIN ABOUT\tTIME IS UP"
	if r.trial.c.Thompson {
		head += "\tTRAFFIC TO IT"
	}
	fmt.Fprintln(w, head)
	for _, o := range r.Outcomes {
		best, by, wins, traffic := o.Best, o.Size, percent(o.Wins), ""
		switch {
		case o.Best == "":
			best, by, wins = "none", "", percent(o.Other)
		case o.Best != r.Arms[0].Name:
			by += fmt.Sprintf(" (×%s)", number(o.Effect/r.MinEffect, 2))
		}
		if r.trial.c.Thompson {
			traffic = "\t"
		}
		if o.Traffic > 0 {
			traffic += number(100*o.Traffic, 2) + "%"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s%s\n", best, by, wins, o.Takes.Half.orDash(), o.Takes.Most.orDash(),
			percent(o.Futile), o.GivesUp.Half.orDash(), percent(o.OutOfTime), traffic)
	}
}

func (r *Experiment) printHarm(w io.Writer) {
	fmt.Fprintln(w, "ARM\tTRAFFIC\tMETRIC\t80% CLOSED\tTAKES\t95% CLOSED\tTAKES\t95% WITHIN 1 H")
	was := ""
	for _, h := range r.Harm {
		names, share := strings.Join(h.Arms, ", "), number(h.Weight, 3)+"%"
		if len(h.Arms) > 1 {
			share += " each"
		}
		if names == was {
			names, share = "", ""
		} else {
			was = names
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", names, share, h.Metric,
			h.Four.say(), h.Four.takes(), h.Most.say(), h.Most.takes(), h.Soon.say())
	}
}

// orDash writes what never comes as a dash.
func (s Seconds) orDash() string {
	if math.IsInf(float64(s), 1) {
		return "-"
	}
	return s.String()
}

// lines are what is drawn.
func (r *Experiment) lines() []line {
	out := []line{{mark: 'f', label: "ends for futility"}, {mark: 'w', label: "wins"}}
	for _, e := range r.Power {
		out[0].points = append(out[0].points, PowerPoint{e.Effect, e.Size, e.Futile})
		out[1].points = append(out[1].points, PowerPoint{e.Effect, e.Size, e.Wins})
	}
	return out
}

// SVG draws how the experiment ends against how much better an arm is.
func (r *Experiment) SVG(w io.Writer) error {
	title := fmt.Sprintf("%s: how it ends, by how much better %s is, at %s requests a second", r.Rollout, r.Arms[r.trial.slowest()].Name, number(r.RPS, 3))
	return picture(w, title, r.lines())
}
