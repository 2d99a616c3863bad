// Package internal_test keeps the arrows of the house: which package may know
// which, and what the pure ones may not do.
package internal_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/haldane-dev/haldane/"

// The layers, from what knows nothing to what knows everything. A name that
// ends in a slash stands for the packages below it and not for itself.
var (
	pure     = []string{"internal/stats", "internal/traffic", "internal/analysis", "internal/experiment", "internal/rollout"}
	data     = []string{"internal/traffic", "internal/inference", "internal/telemetry", "internal/predictionid"}
	ports    = []string{"internal/metric", "internal/router", "internal/workload", "internal/store"}
	adapters = below(ports)
	// What has a say or is told beside the evidence. It answers to the engine.
	outside = []string{"internal/outbound", "internal/outbox", "internal/hook", "internal/notify", "internal/check", "internal/toggle", "internal/load", "internal/guardrail"}
	shells  = []string{"internal/web", "internal/web/", "internal/cli", "internal/cli/", "internal/kube", "internal/kube/"}
	offline = []string{"internal/judge", "internal/plan"}
	core    = slices.Concat(pure, ports, offline, []string{"internal/engine", "internal/report", "internal/importer"})
	all     = slices.Concat(core, data, adapters, outside, shells, below(data),
		[]string{"internal/cluster", "internal/gateway", "internal/gateway/", "internal/feedback", "internal/exporter", "internal/reading", "internal/reading/", "internal/app", "internal/app/", "api/", "examples/"})
)

// arrows says what a package may import of ours. The first name that matches counts.
var arrows = []struct {
	from, to []string
}{
	{[]string{"internal/stats", "internal/traffic", "internal/predictionid", "internal/inference"}, nil},
	{[]string{"internal/analysis"}, []string{"internal/stats", "internal/traffic"}},
	{[]string{"internal/experiment"}, []string{"internal/stats", "internal/traffic", "internal/analysis"}},
	{[]string{"internal/rollout"}, []string{"internal/stats", "internal/traffic", "internal/analysis", "internal/experiment"}},
	{[]string{"internal/telemetry"}, []string{"internal/traffic", "internal/inference"}},
	{[]string{"internal/gateway", "internal/feedback"}, data},
	{below(data), data},
	{[]string{"internal/gateway/"}, append([]string{"internal/gateway"}, data...)},
	{ports, pure},
	{[]string{"internal/cluster"}, slices.Concat(pure, ports, []string{"api/"})},
	{adapters, slices.Concat(pure, ports, adapters, data, below(data), []string{"internal/cluster", "internal/reading", "api/", "internal/gateway", "internal/gateway/", "internal/feedback"})},
	{offline, pure},
	{[]string{"internal/engine"}, slices.Concat(pure, ports)},
	{[]string{"internal/report"}, slices.Concat(pure, ports, []string{"internal/engine"})},
	{[]string{"internal/outbound"}, nil},
	{[]string{"internal/reading"}, nil},
	{[]string{"internal/reading/provider"}, []string{"internal/reading", "internal/metric/prometheus"}},
	{outside, slices.Concat(pure, []string{"internal/engine", "internal/reading"}, outside)},
	{[]string{"internal/importer"}, []string{"api/"}},
	{shells, slices.Concat(core, shells, []string{"api/", "internal/cluster"})},
	{[]string{"internal/app", "internal/app/"}, all},
	{[]string{"internal/exporter"}, slices.Concat(pure, data, ports, []string{"internal/engine"})},
	{[]string{"internal/demo"}, all},
	{[]string{"cmd/"}, []string{"internal/app", "internal/cli", "internal/demo"}},
}

func below(trees []string) []string {
	out := make([]string, len(trees))
	for i, t := range trees {
		out[i] = t + "/"
	}
	return out
}

func matches(pkg string, names []string) bool {
	return slices.ContainsFunc(names, func(n string) bool {
		return pkg == n || strings.HasSuffix(n, "/") && strings.HasPrefix(pkg, n)
	})
}

// allowed returns what pkg may import of ours, and whether it has a place.
func allowed(pkg string) ([]string, bool) {
	for _, a := range arrows {
		if matches(pkg, a.from) {
			return a.to, true
		}
	}
	return nil, false
}

// TestArrows reads every file that is built into the program.
func TestArrows(t *testing.T) {
	read := 0
	each(t, func(pkg, file string, f *ast.File) {
		read++
		to, known := allowed(pkg)
		if !known {
			t.Errorf("%s: package %s has no place in the house: give it one in arrows", file, pkg)
			return
		}
		for _, imp := range ours(f) {
			if imp != pkg && !matches(imp, to) {
				t.Errorf("%s: %s must not know %s", file, pkg, imp)
			}
			if strings.HasSuffix(imp, "test") && !strings.Contains(pkg, "test") {
				t.Errorf("%s: %s is a test suite, for _test files alone", file, imp)
			}
		}
	})
	if read < 20 {
		t.Errorf("only %d files were read: is this the right folder?", read)
	}
}

// TestEveryPackageTells: each has a doc.go that says what it owns and what always
// holds. Programs say it in main.go.
func TestEveryPackageTells(t *testing.T) {
	tells := map[string]bool{}
	each(t, func(pkg, file string, f *ast.File) {
		told := path.Base(file) == "doc.go" && f.Doc != nil
		tells[pkg] = tells[pkg] || told || f.Name.Name == "main"
	})
	for pkg, ok := range tells {
		if !ok {
			t.Errorf("%s has no doc.go", pkg)
		}
	}
}

// TestSizes: what is read at one go. Nothing that is built into the program has a
// function of more than 60 lines or a file of more than 500.
func TestSizes(t *testing.T) {
	each(t, func(_, file string, _ *ast.File) {
		fset := token.NewFileSet()
		f, err := parser.ParseFile(fset, filepath.Join("..", file), nil, 0)
		if err != nil {
			t.Error(err)
			return
		}
		line := func(p token.Pos) int { return fset.Position(p).Line }
		if n := line(f.FileEnd); n > 500 {
			t.Errorf("%s has %d lines: split it", file, n)
		}
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok {
				if n := line(fn.End()) - line(fn.Pos()) + 1; n > 60 {
					t.Errorf("%s: %s has %d lines: split it", file, fn.Name.Name, n)
				}
			}
		}
	})
}

// TestPure: the five packages that decide have no clock, no chance and no
// world but their arguments.
func TestPure(t *testing.T) {
	read := map[string]int{}
	each(t, func(pkg, file string, f *ast.File) {
		if !matches(pkg, pure) {
			return
		}
		read[pkg]++
		for _, wrong := range impurities(f) {
			t.Errorf("%s: %s", file, wrong)
		}
	})
	for _, pkg := range pure {
		if read[pkg] == 0 {
			t.Errorf("no file of %s was read", pkg)
		}
	}
}

// TestRulesBite shows that the rules refuse what they are there to refuse.
func TestRulesBite(t *testing.T) {
	for src, want := range map[string]int{
		`package x; import "time"; func f(a time.Time) time.Duration { return a.Sub(a.Add(time.Second)) }`: 0,
		`package x; import "math"; var e = math.E`:                                                         0,
		`package x; import "time"; var now = time.Now`:                                                     1,
		`package x; import clock "time"; func f() { clock.Sleep(clock.Until(clock.T)) }`:                   2,
		`package x; import . "time"`:                                                                       1,
		`package x; import ("net/http"; "os"; "log/slog"; "math/rand/v2")`:                                 4,
		`package x; import ("k8s.io/api/core/v1"; "sigs.k8s.io/controller-runtime")`:                       2,
	} {
		f, err := parser.ParseFile(token.NewFileSet(), "x.go", src, 0)
		if err != nil {
			t.Fatal(err)
		}
		if got := impurities(f); len(got) != want {
			t.Errorf("%s\nfound %q, want %d", src, got, want)
		}
	}
	for _, c := range []struct {
		from, to string
		want     bool
	}{
		{"internal/rollout", "internal/analysis", true},
		{"internal/analysis", "internal/rollout", false},
		{"internal/gateway", "internal/telemetry", true},
		{"internal/gateway", "internal/rollout", false},
		{"internal/router", "internal/router/gateway", false},
		{"internal/router/gateway", "internal/router", true},
		{"internal/router/gateway", "internal/engine", false},
		{"internal/engine", "internal/store", true},
		{"internal/engine", "internal/store/file", false},
		{"internal/web", "internal/engine", true},
		{"internal/engine", "internal/web", false},
		{"internal/cli", "internal/app", false},
		{"internal/app", "internal/cli", true},
		{"cmd/haldane", "internal/engine", false},
	} {
		if to, known := allowed(c.from); !known || matches(c.to, to) != c.want {
			t.Errorf("%s may know %s: %v, want %v", c.from, c.to, !c.want, c.want)
		}
	}
}

// impurities lists what f imports or takes from time that a pure package must
// not.
func impurities(f *ast.File) []string {
	var wrong []string
	clock := ""
	for _, spec := range f.Imports {
		imp, _ := strconv.Unquote(spec.Path.Value)
		root, _, _ := strings.Cut(imp, "/")
		switch {
		case slices.Contains([]string{"net", "os", "log", "syscall", "k8s.io", "sigs.k8s.io"}, root),
			strings.HasPrefix(imp, "math/rand"), imp == "crypto/rand":
			wrong = append(wrong, "a pure package must not import "+imp)
		case imp == "time" && spec.Name != nil && spec.Name.Name == ".":
			wrong = append(wrong, "time must be imported by name, so that its use can be seen")
		case imp == "time" && spec.Name != nil:
			clock = spec.Name.Name
		case imp == "time":
			clock = "time"
		}
	}
	moving := []string{"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTicker", "NewTimer"}
	ast.Inspect(f, func(n ast.Node) bool {
		if sel, ok := n.(*ast.SelectorExpr); ok && clock != "" {
			if x, ok := sel.X.(*ast.Ident); ok && x.Name == clock && slices.Contains(moving, sel.Sel.Name) {
				wrong = append(wrong, "a pure package must not call time."+sel.Sel.Name)
			}
		}
		return true
	})
	return wrong
}

// ours lists the packages of this module that f imports, without its path.
func ours(f *ast.File) []string {
	var out []string
	for _, spec := range f.Imports {
		imp, _ := strconv.Unquote(spec.Path.Value)
		if rest, ok := strings.CutPrefix(imp, module); ok {
			out = append(out, rest)
		}
	}
	return out
}

// each parses the files of internal and cmd, tests aside.
func each(t *testing.T, visit func(pkg, file string, f *ast.File)) {
	t.Helper()
	for _, root := range []string{"internal", "cmd"} {
		err := filepath.WalkDir(filepath.Join("..", root), func(name string, d fs.DirEntry, err error) error {
			switch {
			case err != nil && root == "cmd":
				return fs.SkipDir
			case err != nil:
				return err
			case d.IsDir() && slices.Contains([]string{"node_modules", "testdata", "dist"}, d.Name()):
				return fs.SkipDir
			case d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go"):
				return nil
			}
			f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
			if err != nil {
				return err
			}
			rel := strings.TrimPrefix(filepath.ToSlash(name), "../")
			visit(path.Dir(rel), rel, f)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}
