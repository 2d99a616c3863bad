package main

import (
	"fmt"
	"strings"

	"github.com/haldane-dev/haldane/examples/churn"
)

// measure evaluates the models on the held-out customers and returns a
// Markdown table.
func measure(models []churn.Parameters) (string, error) {
	heldOut, err := churn.HeldOut()
	if err != nil {
		return "", err
	}
	var out strings.Builder
	out.WriteString("| model | accuracy | log-loss | AUC | answers yes | confidence | errors |\n")
	out.WriteString("|---|---:|---:|---:|---:|---:|---:|\n")
	for _, p := range models {
		m, err := churn.New(p)
		if err != nil {
			return "", fmt.Errorf("model %s: %w", p.Version, err)
		}
		e, err := churn.Evaluate(m, heldOut)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&out, "| `%s` | %.1f%% | %.3f | %.3f | %.1f%% | %.1f%% | %.1f%% |\n", p.Version,
			100*e.Accuracy, e.LogLoss, e.AUC, 100*e.YesShare, 100*e.Confidence, 100*e.ErrorShare)
	}
	return out.String(), nil
}

// readme is the text of models/README.md.
func readme(table string) []byte {
	return []byte(`# The churn models

Written by ` + "`go run ./examples/churn/train`" + `; not edited by hand. One file per version:
a logistic regression, and what that version of the serving code does around it
(` + "`swapped`, `year_offsets`, `feature_store`" + `).

Measured on the held-out customers. Accuracy, log-loss, AUC, the share of "yes" and the mean
confidence (probability of the class answered) are over the customers a model answered; the last
column is the share it failed on. ` + "`slow`" + ` answers as ` + "`v1`" + `, 40 to 60 ms later.

` + table)
}
