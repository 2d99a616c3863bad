package docs

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const root = "../.."

// page is a Markdown file. Its paths are slashed and relative to the root of the
// repository.
type page struct {
	name  string
	prose []line  // what is outside of fences
	code  []fence // what is inside
}

type line struct {
	at   int // from 1
	text string
}

// fence is a fenced block of code.
type fence struct {
	at       int // where its text begins, from 1
	language string
	text     string
}

// pages reads every page of the repository.
func pages(t *testing.T) []page {
	t.Helper()
	var all []page
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		rel, _ := filepath.Rel(root, name)
		rel = filepath.ToSlash(rel)
		switch {
		case err != nil:
			return err
		case d.IsDir() && (slices.Contains([]string{"node_modules", "testdata", "bin"}, d.Name()) || rel != "." && strings.HasPrefix(d.Name(), ".")):
			return fs.SkipDir
		case d.IsDir() || filepath.Ext(name) != ".md" || rel == "test/bench/judge/section.md": // a part of docs/benchmarks.md
			return nil
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		all = append(all, read(rel, string(text)))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 50 {
		t.Fatalf("only %d pages were found: is this the right folder?", len(all))
	}
	return all
}

var mark = regexp.MustCompile("^ *(```+)([a-z]*)")

// read takes a page apart.
func read(name, text string) page {
	p, open := page{name: name}, ""
	at := 0
	for l := range strings.Lines(text) {
		at++
		m := mark.FindStringSubmatch(l)
		switch {
		case open == "" && m != nil:
			open = m[1]
			p.code = append(p.code, fence{at: at + 1, language: m[2]})
		case open != "" && m != nil && m[1] == open && m[2] == "":
			open = ""
		case open != "":
			p.code[len(p.code)-1].text += l
		default:
			p.prose = append(p.prose, line{at, strings.TrimRight(l, "\n")})
		}
	}
	return p
}

var span = regexp.MustCompile("`([^`]+)`")

// spans lists the inline code of a page.
func (p page) spans() []line {
	var all []line
	for _, l := range p.prose {
		for _, m := range span.FindAllStringSubmatch(l.text, -1) {
			all = append(all, line{l.at, m[1]})
		}
	}
	return all
}
