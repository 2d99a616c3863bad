package cli

import (
	"fmt"
	"strings"

	"github.com/haldane-dev/haldane/internal/engine"
	"github.com/haldane-dev/haldane/internal/report"
)

// picture draws where a rollout stands: a headline, the evidence of each metric
// on its way to either bound, and what is waited for. It is at most width
// columns wide and height lines high.
func picture(s *engine.Status, width, height int) []string {
	lines := []string{headline(s)}
	widest := 0
	for _, m := range s.Verdict.Metrics {
		widest = max(widest, len([]rune(m.Name)))
	}
	for _, m := range s.Verdict.Metrics {
		lines = append(lines, fmt.Sprintf("  %-*s  no worse %s   worse %s   %s, was %s", widest, m.Name,
			bar(m.LogPromotion, m.PromotionThreshold), bar(m.LogRollback, m.RollbackThreshold),
			report.Figure(m, m.Canary), report.Figure(m, m.Stable)))
	}
	var below []string
	if s.Waiting != "" {
		below = wrap("  "+s.Waiting, "  ", width)
	}
	for _, w := range s.Warnings {
		below = append(below, wrap("  ! "+w, "    ", width)...)
	}
	if room := height - len(below); len(lines) > room {
		lines = lines[:max(room, 1)]
	}
	lines = append(lines, below...)
	lines = lines[:max(min(len(lines), height), 0)]
	for i := range lines {
		lines[i] = cut(lines[i], width)
	}
	return lines
}

// headline says in one line where a rollout stands.
func headline(s *engine.Status) string {
	out := string(s.Phase)
	if len(s.Steps) > 0 {
		out += fmt.Sprintf("  step %d/%d", min(s.Step+1, len(s.Steps)), len(s.Steps))
	}
	if x := s.Experiment; x != nil {
		for _, a := range x.Arms {
			out += fmt.Sprintf("  %s %.0f%%: %s", a.Name, 100*a.Share, requests(s.Totals[a.Name]))
		}
		return out
	}
	out += fmt.Sprintf("  %s to %s", s.Observed.Canary, s.Canary)
	for _, arm := range []struct{ name, version string }{{"stable", s.Stable.String()}, {"canary", s.Canary.String()}} {
		if t, ok := s.Totals[arm.name]; ok {
			out += fmt.Sprintf("  %s: %s", arm.version, requests(t))
		}
	}
	return out
}

func requests(t engine.Totals) string {
	if t.Requests == 1 {
		return fmt.Sprintf("1 request, %d failed", t.Errors)
	}
	return fmt.Sprintf("%d requests, %d failed", t.Requests, t.Errors)
}

const barWidth = 10

// bar draws evidence on its way to a bound.
func bar(have, need float64) string {
	share := 0.0
	if need > 0 {
		share = min(max(have/need, 0), 1)
	}
	full := int(share * barWidth)
	return fmt.Sprintf("%s%s %3.0f%%", strings.Repeat("█", full), strings.Repeat("░", barWidth-full), share*100)
}

// cut shortens a line to a number of columns.
func cut(line string, width int) string {
	r := []rune(line)
	if len(r) <= max(width, 1) {
		return line
	}
	return string(r[:max(width-1, 0)]) + "…"
}

// wrap breaks a line at spaces; what follows the first begins with indent.
func wrap(line, indent string, width int) []string {
	var out []string
	for len([]rune(line)) > width {
		r := []rune(line)
		at := width
		for at > len(indent)+1 && r[at] != ' ' {
			at--
		}
		if at <= len(indent)+1 || r[at] != ' ' {
			break // one long word: it is cut
		}
		out = append(out, string(r[:at]))
		line = indent + strings.TrimLeft(string(r[at:]), " ")
	}
	return append(out, line)
}
