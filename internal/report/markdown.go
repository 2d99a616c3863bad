package report

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"
)

// WriteMarkdown writes reports for a pull request or the summary of a job.
func WriteMarkdown(w io.Writer, reports ...Report) error {
	var b strings.Builder
	for i, r := range reports {
		if i > 0 {
			b.WriteString("\n")
		}
		r.markdown(&b)
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return nil
}

func (r Report) markdown(b *strings.Builder) {
	fmt.Fprintf(b, "## %s: %s\n\n", plain(r.Rollout), r.headline())
	if r.Reason != "" {
		fmt.Fprintf(b, "%s\n\n", plain(r.Reason))
	}
	for _, x := range r.Warnings {
		fmt.Fprintf(b, "> %s\n\n", plain(x))
	}
	row(b, "arm", "version", "requests", "failed")
	row(b, "---", "---", "---:", "---:")
	for _, a := range r.versions() {
		row(b, a.name, plain(a.version), fmt.Sprint(r.Arms[a.name].Requests), fmt.Sprint(r.Arms[a.name].Errors))
	}
	r.experiment(b)
	if len(r.Steps) > 0 && r.Experiment == nil {
		b.WriteString("\n")
		row(b, "step", "became", "took", "canary served", "verdict")
		row(b, "---", "---", "---:", "---:", "---")
	}
	for _, s := range r.Steps {
		if r.Experiment != nil {
			break // there is one, which the table above tells of
		}
		took := "-"
		if s.Seconds > 0 {
			took = lasted(s.Seconds)
		}
		row(b, fmt.Sprintf("%d: %s", s.Number, plain(s.What)), string(s.State), took,
			fmt.Sprint(s.Arms["canary"].Requests), plain(orElse(string(s.Decision), "-")))
	}
	if len(r.Metrics) > 0 {
		b.WriteString("\n")
		row(b, "metric", "verdict", "numbers", "why")
		row(b, "---", "---", "---", "---")
	}
	for _, m := range r.Metrics {
		row(b, plain(m.Name), plain(string(m.Decision)), plain(m.Numbers), plain(m.Reason))
	}
	if r.Experiment != nil {
		fmt.Fprintf(b, "\nA healthy treatment is closed with probability at most %s.\n", percent(r.FalseRollback))
	} else {
		fmt.Fprintf(b, "\nA healthy rollout is taken back with probability at most %s; a metric at its margin is passed with probability at most %s.\n",
			percent(r.FalseRollback), percent(r.FalsePromotion))
	}
	if r.Partial {
		b.WriteString("The journal no longer holds how this attempt began: the counts are of the rest.\n")
	}
	r.history(b)
}

// version is an arm and what it served.
type version struct{ name, version string }

func (r Report) versions() []version {
	if r.Experiment == nil {
		return []version{{"stable", r.Stable}, {"canary", r.Canary}}
	}
	var out []version
	for _, a := range r.Experiment.Arms {
		out = append(out, version{a.Name, a.Version})
	}
	return out
}

// experiment writes how the arms compare.
func (r Report) experiment(b *strings.Builder) {
	if r.Experiment == nil {
		return
	}
	for _, t := range [][][]string{ExperimentArms(r.Experiment), ExperimentPairs(r.Experiment)} {
		for i, cells := range t {
			if i == 0 {
				b.WriteString("\n")
			}
			for j := range cells {
				cells[j] = plain(cells[j])
			}
			row(b, cells...)
			if i == 0 {
				row(b, slices.Repeat([]string{"---"}, len(cells))...)
			}
		}
	}
	fmt.Fprintf(b, "\n%s\n", plain(ExperimentRule(r.Experiment)))
}

func (r Report) history(b *strings.Builder) {
	if len(r.Events) == 0 {
		return
	}
	b.WriteString("\n<details><summary>What happened</summary>\n\n")
	row(b, "time (UTC)", "event", "")
	row(b, "---", "---", "---")
	for _, e := range r.Events {
		message := e.Message
		if e.By != "" {
			message += " (" + e.By + ")"
		}
		row(b, e.At.UTC().Format("2006-01-02 15:04:05"), plain(string(e.Kind)), plain(message))
	}
	b.WriteString("\n</details>\n")
}

// headline is one line of how it went.
func (r Report) headline() string {
	v, attempt := plain(r.Canary), ""
	if r.Attempt > 1 {
		attempt = fmt.Sprintf(" at attempt %d", r.Attempt)
	}
	took := lasted(r.Seconds)
	switch r.Result {
	case Promoted:
		return fmt.Sprintf("✅ %s promoted%s after %s", v, attempt, took)
	case Completed:
		if r.Experiment != nil {
			return fmt.Sprintf("✅ the experiment%s ended as planned after %s", attempt, took)
		}
		return fmt.Sprintf("✅ %s compared%s and ended as planned after %s", v, attempt, took)
	case RolledBack:
		return fmt.Sprintf("❌ %s taken back%s after %s", v, attempt, took)
	case Held:
		return fmt.Sprintf("⏸️ %s held at its deadline%s, undecided after %s", v, attempt, took)
	}
	return fmt.Sprintf("%s is %s%s since %s", v, r.Phase, attempt, took)
}

func percent(p float64) string { return fmt.Sprintf("%.3g%%", p*100) }

func row(b *strings.Builder, cells ...string) {
	b.WriteString("| " + strings.Join(cells, " | ") + " |\n")
}

// plain makes text mean itself wherever Markdown puts it: in a table, and in
// one line.
func plain(s string) string {
	var b strings.Builder
	for _, r := range strings.Join(strings.Fields(s), " ") {
		switch r {
		case '\u2028', '\u2029':
			continue
		case '&':
			b.WriteString("&amp;")
			continue
		case '<':
			b.WriteString("&lt;")
			continue
		case '\\', '`', '*', '_', '[', ']', '|', '~', '#', '!', '>', '@':
			b.WriteByte('\\')
		}
		if !unicode.IsControl(r) {
			b.WriteRune(r)
		}
	}
	return b.String()
}
