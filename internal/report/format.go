package report

import (
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"strings"
)

// Format is how a report is written.
type Format string

// The formats.
const (
	JUnit    Format = "junit"
	Markdown Format = "markdown"
	JSON     Format = "json"
)

// ByName returns the format that the ending of a file's name asks for.
func ByName(file string) (Format, error) {
	switch strings.ToLower(filepath.Ext(file)) {
	case ".xml":
		return JUnit, nil
	case ".md", ".markdown":
		return Markdown, nil
	case ".json":
		return JSON, nil
	}
	return "", fmt.Errorf("report %q: its ending says the format: want .xml (JUnit), .md or .json", file)
}

// Write writes r in format f.
func Write(w io.Writer, f Format, r Report) error {
	switch f {
	case JUnit:
		return WriteJUnit(w, r)
	case Markdown:
		return WriteMarkdown(w, r)
	case JSON:
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		enc.SetEscapeHTML(false)
		if err := enc.Encode(r); err != nil {
			return fmt.Errorf("write the report: %w", err)
		}
		return nil
	}
	return fmt.Errorf("report format %q: want junit, markdown or json", f)
}
