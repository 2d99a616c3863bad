package docs

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode"
)

// link is one of [text](target), an image, and what HTML names.
var link = regexp.MustCompile(`\]\(([^)\s]+)\)|(?:src|srcset|href)="([^"\s]+)"`)

// TestLinks: every link within the repository leads to a file that is there, and
// to a heading that is there.
func TestLinks(t *testing.T) {
	all := pages(t)
	headings := map[string]map[string]bool{}
	for _, p := range all {
		headings[p.name] = anchors(p)
	}
	n := 0
	for _, p := range all {
		for _, l := range p.prose {
			for _, m := range link.FindAllStringSubmatch(span.ReplaceAllString(l.text, "code"), -1) {
				target := m[1] + m[2]
				if strings.Contains(target, "://") || strings.HasPrefix(target, "mailto:") {
					continue
				}
				n++
				if wrong := broken(p.name, target, headings); wrong != "" {
					t.Errorf("%s:%d: %s: %s", p.name, l.at, target, wrong)
				}
			}
		}
	}
	if n < 200 {
		t.Errorf("only %d links were found", n)
	}
}

// broken says what is wrong with a link of the page from, "" if nothing is.
func broken(from, target string, headings map[string]map[string]bool) string {
	file, anchor, _ := strings.Cut(target, "#")
	to := from
	if file != "" {
		to = path.Join(path.Dir(from), file)
	}
	if strings.HasPrefix(to, "../") {
		return "leads out of the repository"
	}
	if _, err := os.Stat(filepath.Join(root, to)); err != nil {
		return "there is no such file"
	}
	if anchor != "" && !headings[to][anchor] {
		return "there is no such heading"
	}
	return ""
}

var (
	heading   = regexp.MustCompile(`^#{1,6} +(.*?)(?: +#+)? *$`)
	linkedTo  = regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`)
	codeMarks = strings.NewReplacer("`", "", "*", "")
)

// anchors are the fragments that the headings of p get from what shows Markdown:
// small letters, digits, _ and -, a hyphen for each blank, and a number behind
// what was there before.
func anchors(p page) map[string]bool {
	out := map[string]bool{}
	for _, l := range p.prose {
		m := heading.FindStringSubmatch(l.text)
		if m == nil {
			continue
		}
		text := codeMarks.Replace(linkedTo.ReplaceAllString(m[1], "$1"))
		id := strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case unicode.IsLetter(r), unicode.IsDigit(r), r == '-', r == '_':
				return unicode.ToLower(r)
			}
			return -1
		}, text)
		for name, i := id, 0; ; i++ {
			if i > 0 {
				name = id + "-" + strconv.Itoa(i)
			}
			if !out[name] {
				out[name] = true
				break
			}
		}
	}
	return out
}

// TestBrokenLinksAreFound: the check bites.
func TestBrokenLinksAreFound(t *testing.T) {
	p := read("docs/plan.md", "# One: `two` and [three](y.md)\n\n```sh\n# no heading\n```\n## Again\n## Again\n")
	all := map[string]map[string]bool{p.name: anchors(p), "README.md": {"more": true}}
	for target, want := range map[string]string{
		"#one-two-and-three":   "",
		"#again-1":             "",
		"#again-2":             "heading",
		"#no-heading":          "heading",
		"../README.md#more":    "",
		"../README.md#less":    "heading",
		"../LICENSE":           "",
		"../LICENCE":           "file",
		"../../elsewhere.md":   "out of the repository",
		"../examples":          "",
		"README.md":            "file",
		"../README.md#more-on": "heading",
	} {
		got := broken(p.name, target, all)
		if (got == "") != (want == "") || !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", target, got, want)
		}
	}
}
