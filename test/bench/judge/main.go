package main

import (
	"flag"
	"fmt"
	"log/slog"
	"os"
	"regexp"
)

func main() {
	e := &experiment{}
	flag.Uint64Var(&e.Seed, "seed", 1, "decides every random draw")
	flag.IntVar(&e.Runs, "runs", 150, "rollouts of each workload with a regressed canary")
	flag.IntVar(&e.Healthy, "healthy", 300, "rollouts of each workload with a healthy canary")
	flag.StringVar(&e.Commit, "commit", "unknown", "the commit that is measured, to be named in the report")
	scale := flag.Float64("figures", .5, "rollouts for the figures, as a multiple of their full number")
	only := flag.Bool("figures-only", false, "measure the figures alone, and rewrite only their part")
	pattern := flag.String("match", "", "measure only the figures whose names match this regular expression, and rewrite nothing")
	docs := flag.String("docs", "", "directory of the documentation whose benchmarks.md and images to rewrite")
	flag.Parse()
	if e.Runs < 1 || e.Healthy < 1 {
		slog.Error("nothing to simulate: -runs and -healthy must be at least 1")
		os.Exit(2)
	}
	match, err := regexp.Compile(*pattern)
	if err != nil {
		slog.Error("-match is no regular expression", "err", err)
		os.Exit(2)
	}
	e.match = match
	report := e.report
	if *only {
		report = e.reportFigures
	}
	if *pattern != "" { // a table with rows missing is not to take the place of the whole one
		report, *docs = e.reportFigures, ""
	}
	if err := report(*scale, *docs); err != nil {
		slog.Error("the benchmark ran, but its report could not be written", "err", err)
		os.Exit(1)
	}
}

// report measures everything, prints it and writes it under docs, if that is not
// empty.
func (e *experiment) report(scale float64, docs string) error {
	e.run(scale)
	text, err := e.text()
	if err != nil {
		return err
	}
	fmt.Print(text, "\n### Every cell\n\n", e.everything())
	if docs == "" {
		return nil
	}
	return e.write(docs)
}

// reportFigures does the same for the figures alone.
func (e *experiment) reportFigures(scale float64, docs string) error {
	e.measure(scale)
	fmt.Print(e.figureTable())
	if docs == "" {
		return nil
	}
	return e.writeFigures(docs)
}
