package docs

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/haldane-dev/haldane/internal/cli"
)

// said is a piece of code on a page: a span, or a line of a fence that is for a
// shell, with the lines that go on from it.
type said struct{ at, text string }

// commands lists what a page says that might be typed.
func commands(p page) []said {
	var all []said
	for _, l := range p.spans() {
		all = append(all, said{fmt.Sprintf("%s:%d", p.name, l.at), l.text})
	}
	for _, f := range p.code {
		if !slices.Contains([]string{"sh", "console", ""}, f.language) {
			continue
		}
		at := f.at
		for l := range strings.SplitSeq(strings.ReplaceAll(f.text, "\\\n", " \x00"), "\n") {
			typed, prompt := strings.CutPrefix(l, "$ ")
			if prompt || f.language != "console" {
				all = append(all, said{fmt.Sprintf("%s:%d", p.name, at), strings.ReplaceAll(typed, "\x00", "")})
			}
			at += 1 + strings.Count(l, "\x00")
		}
	}
	return all
}

// program finds the program in a command line, and takes what it is told.
var program = regexp.MustCompile(`(?:^|[ /])haldane ([a-z][a-z -]*.*)`)

// TestCommands: every command that a page names exists and has the flags that are
// written behind it.
func TestCommands(t *testing.T) {
	n, known := 0, map[string]string{}
	for _, p := range pages(t) {
		for _, s := range commands(p) {
			m := program.FindStringSubmatch(s.text)
			if m == nil || strings.HasPrefix(s.text, "helm ") || strings.HasPrefix(s.text, "{") {
				continue
			}
			n++
			verb, flags := parse(m[1])
			help, ok := known[verb]
			if !ok {
				help = helpOf(t, verb)
				known[verb] = help
			}
			if help == "" {
				t.Errorf("%s: %s: there is no command %q", s.at, s.text, verb)
				continue
			}
			for _, f := range flags {
				if !regexp.MustCompile(`(?m)^ +(-[a-z], )?` + f + `\b|^ +` + f + `, --`).MatchString(help) {
					t.Errorf("%s: %s: haldane %s has no flag %s", s.at, s.text, verb, f)
				}
			}
		}
	}
	if n < 60 {
		t.Errorf("only %d commands were found", n)
	}
}

// parse takes a command line apart, as far as another command begins.
func parse(text string) (verb string, flags []string) {
	for i, word := range strings.Fields(text) {
		word = strings.Trim(word, "[]")
		switch {
		case i == 0:
			verb = strings.TrimRight(word, ",.;:)")
		case strings.ContainsAny(word[:min(1, len(word))], "#|>;&)"):
			return verb, flags
		case strings.HasPrefix(word, "-") && len(word) > 1:
			f, _, _ := strings.Cut(word, "=")
			flags = append(flags, f)
		case i == 1 && verb == "import":
			verb += " " + word
		}
	}
	return verb, flags
}

// helpOf is the help text of a command, "" if there is none of that name.
func helpOf(t *testing.T, verb string) string {
	t.Helper()
	var out, errOut bytes.Buffer
	args := append(strings.Fields(verb), "--help")
	if code := cli.Main(context.Background(), args, &out, &errOut, cli.Program{}); code != 0 {
		return ""
	}
	if !strings.Contains(out.String(), "haldane "+strings.Fields(verb)[0]) {
		return ""
	}
	return out.String()
}

// TestNames: the tests, make targets and files that a page names are there.
func TestNames(t *testing.T) {
	tests, targets := testNames(t), makeTargets(t)
	aTest, aTarget := regexp.MustCompile(`\bTest[A-Z]\w*`), regexp.MustCompile(`\bmake ([a-z][a-z0-9 -]*)`)
	aFile := regexp.MustCompile(`^(?:\./)?((?:\.ci|api|cmd|deploy|docs|examples|internal|scripts|test)/[\w./-]+)$`)
	n := 0
	for _, p := range pages(t) {
		for _, s := range commands(p) {
			for _, name := range aTest.FindAllString(s.text, -1) {
				if n++; !tests[name] && !strings.HasPrefix(s.text, "func ") {
					t.Errorf("%s: there is no test %s", s.at, name)
				}
			}
			if m := aTarget.FindStringSubmatch(s.text); m != nil {
				for name := range strings.FieldsSeq(m[1]) {
					if n++; !targets[name] {
						t.Errorf("%s: %s: there is no target %s", s.at, s.text, name)
					}
				}
			}
			if m := aFile.FindStringSubmatch(s.text); m != nil && !strings.HasSuffix(m[1], "/NAME") {
				if n++; !there(m[1]) && !there(path.Join(path.Dir(p.name), m[1])) {
					t.Errorf("%s: there is no %s", s.at, m[1])
				}
			}
		}
	}
	if n < 60 {
		t.Errorf("only %d names were found", n)
	}
}

// there reports whether the repository has a file of that name.
func there(name string) bool {
	_, err := os.Stat(filepath.Join(root, name))
	return err == nil
}

// makeTargets are what make can be asked for.
func makeTargets(t *testing.T) map[string]bool {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^([a-z0-9-]+):`).FindAllStringSubmatch(string(text), -1) {
		out[m[1]] = true
	}
	return out
}

// testNames are the tests, benchmarks aside, of every module of the repository.
func testNames(t *testing.T) map[string]bool {
	t.Helper()
	out := map[string]bool{}
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "node_modules" || len(d.Name()) > 2 && strings.HasPrefix(d.Name(), ".")):
			return fs.SkipDir
		case d.IsDir() || !strings.HasSuffix(name, "_test.go"):
			return nil
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		for _, m := range regexp.MustCompile(`(?m)^func (Test\w+)\(`).FindAllSubmatch(text, -1) {
			out[string(m[1])] = true
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}
