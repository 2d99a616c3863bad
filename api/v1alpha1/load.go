package v1alpha1

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"sort"
	"strings"

	"go.yaml.in/yaml/v3"
	sigsyaml "sigs.k8s.io/yaml"
)

// MaxFile is the largest document that is read, in bytes.
const MaxFile = 1 << 20

// Problem is one thing wrong with a file.
type Problem struct {
	Path    string // "spec.strategy.canary.steps[1].weight", "" for the whole document
	Line    int    // from 1, 0 if the field is not in the file
	Message string // what is wrong and what to write instead
}

// Problems is everything wrong with a file, in the order of its lines. It is
// an error: one line a problem.
type Problems struct {
	File string
	List []Problem
}

// Error returns "FILE:LINE: PATH: MESSAGE" for each problem.
func (p *Problems) Error() string {
	lines := make([]string, len(p.List))
	for i, q := range p.List {
		at := p.File
		if q.Line > 0 {
			at = fmt.Sprintf("%s:%d", p.File, q.Line)
		}
		if q.Path != "" {
			at += ": " + q.Path
		}
		lines[i] = at + ": " + q.Message
	}
	return strings.Join(lines, "\n")
}

// LoadFile reads, defaults and validates the rollout in a file; "-" reads
// standard input.
func LoadFile(name string) (*ModelRollout, error) {
	if name == "-" {
		return Load("standard input", os.Stdin)
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("read the rollout: %w", err)
	}
	defer f.Close()
	return Load(name, f)
}

// Load reads one document from r, fills in the defaults and validates it. name
// stands in the messages. The error is *Problems if the document is at fault.
func Load(name string, r io.Reader) (*ModelRollout, error) {
	return read(name, r, (*ModelRollout).Default, (*ModelRollout).Validate)
}

// LoadAnyFile is LoadFile for a document of either mode: one that has a workload
// and no endpoints, or a flag counted by Prometheus, is read as LoadCluster does.
// It is for looking at a file, not for carrying it out.
func LoadAnyFile(name string) (*ModelRollout, error) {
	in, as := io.Reader(os.Stdin), "standard input"
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, fmt.Errorf("read the rollout: %w", err)
		}
		defer f.Close()
		in, as = f, name
	}
	text, err := io.ReadAll(io.LimitReader(in, MaxFile+1))
	if err != nil {
		return nil, fmt.Errorf("read the rollout %s: %w", as, err)
	}
	var of struct {
		Spec struct {
			Workload  any `json:"workload"`
			Endpoints any `json:"endpoints"`
			Routing   struct {
				Flag any `json:"flag"`
			} `json:"routing"`
			Analysis struct {
				Source struct {
					Prometheus any `json:"prometheus"`
				} `json:"source"`
			} `json:"analysis"`
		} `json:"spec"`
	}
	load := Load
	// What cannot be read here is told by the strict reader.
	if len(text) <= MaxFile && sigsyaml.Unmarshal(text, &of) == nil {
		x := of.Spec
		if x.Workload != nil && x.Endpoints == nil || x.Routing.Flag != nil && x.Analysis.Source.Prometheus != nil {
			load = LoadCluster
		}
	}
	return load(as, bytes.NewReader(text))
}

// read fills in with fill and refuses what check finds.
func read(name string, r io.Reader, fill func(*ModelRollout), check func(*ModelRollout) []Problem) (*ModelRollout, error) {
	text, err := io.ReadAll(io.LimitReader(r, MaxFile+1))
	if err != nil {
		return nil, fmt.Errorf("read the rollout %s: %w", name, err)
	}
	whole := func(format string, args ...any) error {
		return &Problems{File: name, List: []Problem{{Message: fmt.Sprintf(format, args...)}}}
	}
	if len(text) > MaxFile {
		return nil, whole("larger than %d bytes: this is no rollout", MaxFile)
	}
	root, err := parse(text)
	if err != nil {
		why := strings.TrimPrefix(err.Error(), "yaml: ")
		if strings.Contains(why, "cannot start any token") && bytes.Contains(text, []byte("\t")) {
			why += ": indent with spaces, not with tabs"
		}
		return nil, whole("%s", why)
	}
	c := &checker{lines: map[string]int{}}
	c.document(root)
	if len(c.problems) > 0 {
		return nil, c.result(name)
	}
	m := &ModelRollout{}
	if err := sigsyaml.Unmarshal(text, m); err != nil {
		return nil, whole("%v", err)
	}
	fill(m)
	for _, p := range check(m) {
		p.Line = c.line(p.Path)
		c.problems = append(c.problems, p)
	}
	if len(c.problems) > 0 {
		return nil, c.result(name)
	}
	return m, nil
}

// parse returns the root of the only document in text.
func parse(text []byte) (*yaml.Node, error) {
	dec := yaml.NewDecoder(bytes.NewReader(text))
	var doc, next yaml.Node
	if err := dec.Decode(&doc); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, errors.New("empty: write a " + Kind)
		}
		return nil, err
	}
	if err := dec.Decode(&next); !errors.Is(err, io.EOF) {
		if err != nil {
			return nil, err
		}
		return nil, errors.New("holds more than one document: give each rollout a file of its own")
	}
	return doc.Content[0], nil
}

func (c *checker) result(name string) error {
	sort.SliceStable(c.problems, func(i, j int) bool { return c.problems[i].Line < c.problems[j].Line })
	return &Problems{File: name, List: c.problems}
}
