package plan

import (
	"fmt"
	"html"
	"io"
	"strings"
)

// The picture's size and where its axes are, in pixels.
const (
	svgWidth, svgHeight = 720, 400
	svgLeft, svgRight   = 70, 700
	svgTop, svgBottom   = 50, 330
)

// colours tell the steps apart, also for those who see few colours; dashes tell
// them apart without any.
var (
	colours = []string{"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00"}
	dashes  = []string{"", "8 4", "2 4", "10 4 2 4", "4 2", "1 2"}
)

// SVG draws the probability of being taken back against the size of a regression,
// one line for each step.
func (r *Report) SVG(w io.Writer) error {
	return picture(w, fmt.Sprintf("%s: probability that a worse canary is taken back, at %s requests a second", r.Rollout, number(r.RPS, 3)), r.lines())
}

// picture draws lines as a picture with a title.
func picture(w io.Writer, title string, lines []line) error {
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="13" role="img">`+"\n", svgWidth, svgHeight)
	title = html.EscapeString(title)
	fmt.Fprintf(&b, "<title>%s</title>\n<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n<text x=\"%d\" y=\"24\" font-size=\"15\">%s</text>\n", title, svgLeft, title)
	for i := 0; i <= 4; i++ {
		y := svgBottom - i*(svgBottom-svgTop)/4
		fmt.Fprintf(&b, `<line x1="%d" y1="%d" x2="%d" y2="%d" stroke="#ddd"/><text x="%d" y="%d" text-anchor="end">%d%%</text>`+"\n",
			svgLeft, y, svgRight, y, svgLeft-8, y+4, 25*i)
	}
	svgCurves(&b, lines)
	b.WriteString("</svg>\n")
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("draw the plan: %w", err)
	}
	return nil
}

func svgCurves(b *strings.Builder, lines []line) {
	if len(lines) == 0 {
		return
	}
	first := lines[0].points
	x := func(i int) float64 {
		return svgLeft + float64(i)/float64(len(first)-1)*(svgRight-svgLeft)
	}
	last := len(first) - 1
	for n, i := range []int{0, last / 3, 2 * last / 3, last} {
		anchor := []string{"start", "middle", "middle", "end"}[n]
		fmt.Fprintf(b, `<text x="%.1f" y="%d" text-anchor="%s">%s</text>`+"\n", x(i), svgBottom+20, anchor, html.EscapeString(first[i].Size))
	}
	for n, p := range lines {
		var points []string
		for i, q := range p.points {
			points = append(points, fmt.Sprintf("%.1f,%.1f", x(i), svgBottom-q.Probability*(svgBottom-svgTop)))
		}
		c, d := colours[n%len(colours)], dashes[n%len(dashes)]
		fmt.Fprintf(b, `<polyline fill="none" stroke="%s" stroke-width="2" stroke-dasharray="%s" points="%s"/>`+"\n", c, d, strings.Join(points, " "))
		at := svgLeft + n*130
		fmt.Fprintf(b, `<line x1="%d" y1="%d" x2="%d" y2="%d" stroke="%s" stroke-width="2" stroke-dasharray="%s"/><text x="%d" y="%d">%s</text>`+"\n",
			at, svgBottom+48, at+28, svgBottom+48, c, d, at+34, svgBottom+52, html.EscapeString(p.label))
	}
}
