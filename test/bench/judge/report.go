package main

import (
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"text/template"
)

//go:embed section.md
var section string

//go:embed figures.md
var figuresPart string

// text fills in the section of docs/benchmarks.md.
func (e *experiment) text() (string, error) {
	figures, err := e.figuresText()
	if err != nil {
		return "", err
	}
	return fill(section, map[string]any{
		"Commit": e.Commit, "Seed": e.Seed, "Runs": e.Runs, "Healthy": e.Healthy,
		"FalseRollback": e.falseRollbackTable(.05), "FalseRollbackHalf": e.falseRollbackTable(.5),
		"Detection": e.detectionTable(100, .05), "DetectionHalf": e.detectionTable(100, .5),
		"Harm": e.harmTable(100, .05), "Bound": e.boundTable(100, .05),

		"SpecialHealthy": e.list(e.special, false), "Special": e.list(e.special, true),
		"LatencyHealthy": e.list(e.latency, false), "Latency": e.list(e.latency, true),
		"Figures": strings.TrimPrefix(figuresHeading, "\n") + "\n" + figures,
	})
}

// figuresText fills in the part about the figures.
func (e *experiment) figuresText() (string, error) {
	return fill(figuresPart, map[string]any{"Commit": e.Commit, "Seed": e.Seed, "Figures": e.figureTable()})
}

// fill puts values into a template.
func fill(text string, values map[string]any) (string, error) {
	t, err := template.New("section").Parse(text)
	if err != nil {
		return "", fmt.Errorf("read the section's template: %w", err)
	}
	var b strings.Builder
	if err := t.Execute(&b, values); err != nil {
		return "", fmt.Errorf("fill in the section: %w", err)
	}
	return b.String(), nil
}

// The section begins at its heading and ends at the next one of its level; the
// part about the figures is the last of it.
const (
	heading        = "## Decisions\n"
	figuresHeading = "\n### Figures that must hold\n"
)

// replaceFigures puts the part about the figures in place of the one in document.
func replaceFigures(document, text string) (string, error) {
	start := strings.Index(document, figuresHeading)
	if start < 0 {
		return "", errors.New("the page has no part about the figures yet: measure everything first")
	}
	start += len(figuresHeading)
	after := ""
	if end := strings.Index(document[start:], "\n## "); end >= 0 {
		after = document[start+end:]
	}
	return document[:start] + "\n" + text + after, nil
}

// writeFigures rewrites the part about the figures alone.
func (e *experiment) writeFigures(docs string) error {
	text, err := e.figuresText()
	if err != nil {
		return err
	}
	page := filepath.Join(docs, "benchmarks.md")
	old, err := os.ReadFile(page)
	if err != nil {
		return fmt.Errorf("read the page to update: %w", err)
	}
	document, err := replaceFigures(string(old), text)
	if err != nil {
		return err
	}
	if err := os.WriteFile(page, []byte(document), 0o644); err != nil {
		return fmt.Errorf("write the figures: %w", err)
	}
	return nil
}

// replace puts the section in place of the one in document, or at its end.
func replace(document, text string) string {
	start := strings.Index("\n"+document, "\n"+heading)
	if start < 0 {
		if document == "" {
			document = "# Benchmarks\n"
		}
		return strings.TrimRight(document, "\n") + "\n\n" + heading + "\n" + text
	}
	rest := document[start+len(heading):]
	after := ""
	if end := strings.Index(rest, "\n## "); end >= 0 {
		after = "\n" + rest[end+1:]
	}
	return document[:start] + heading + "\n" + text + after
}

// write rewrites the section and the plots under the directory of documents.
func (e *experiment) write(docs string) error {
	text, err := e.text()
	if err != nil {
		return err
	}
	page := filepath.Join(docs, "benchmarks.md")
	old, err := os.ReadFile(page)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("read the page to update: %w", err)
	}
	images := filepath.Join(docs, "images")
	if err := os.MkdirAll(images, 0o755); err != nil {
		return fmt.Errorf("make room for the plots: %w", err)
	}
	for path, content := range map[string]string{
		page: replace(string(old), text),
		filepath.Join(images, "decisions-false-rollback.svg"): e.falseRollbackPlot(.05),
		filepath.Join(images, "decisions-detection.svg"):      e.detectionPlot(key(.01, 2, 100, .05)),
	} {
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			return fmt.Errorf("write the results: %w", err)
		}
	}
	return nil
}
