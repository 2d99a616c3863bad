// Command train fits the churn models on the training customers, writes their
// parameters and measures each on the held-out customers. Run it from the root
// of the repository:
//
//	go run ./examples/churn/train
package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/haldane-dev/haldane/examples/churn"
)

func main() {
	out := flag.String("o", "examples/churn/models", "the `folder` that gets the model files and their README")
	flag.Parse()
	if err := run(*out, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "train:", err)
		os.Exit(1)
	}
}

// run trains, writes everything into the folder and prints the table.
func run(folder string, stdout io.Writer) error {
	training, err := churn.Training()
	if err != nil {
		return err
	}
	trained, err := trainAll(training)
	if err != nil {
		return err
	}
	for _, p := range trained {
		data, err := encode(p)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(folder, p.Version+".json"), data, 0o644); err != nil {
			return fmt.Errorf("write model %s: %w", p.Version, err)
		}
	}
	table, err := measure(trained)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(folder, "README.md"), readme(table), 0o644); err != nil {
		return fmt.Errorf("write the table of models: %w", err)
	}
	_, err = io.WriteString(stdout, table)
	return err
}

// encode is the text of a model file.
func encode(p churn.Parameters) ([]byte, error) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetIndent("", " ")
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(p); err != nil {
		return nil, fmt.Errorf("encode model %s: %w", p.Version, err)
	}
	return out.Bytes(), nil
}
