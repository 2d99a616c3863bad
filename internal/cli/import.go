package cli

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/haldane-dev/haldane/internal/importer"
)

func importCommand() *cobra.Command {
	o := importer.Options{}
	cmd := &cobra.Command{
		Use: "import", Short: "Make a rollout of manifests for Flagger, Argo Rollouts, or moved by hand", GroupID: groupOffline, Args: noArgs,
		Long: `Makes a ModelRollout for a cluster of what was written for another tool, on standard
output. What has no equal is told on standard error and as comments, with what was
done instead: no field of the input is dropped in silence.`,
		Example: "  haldane import flagger canary.yaml templates.yaml > rollout.yaml\n  haldane import argo rollout.yaml\n  haldane import manifests deployments.yaml virtualservice.yaml",
		RunE: func(c *cobra.Command, _ []string) error {
			return Usage(fmt.Errorf("import from what? flagger, argo or manifests"))
		},
	}
	for _, sub := range []struct {
		from  importer.From
		short string
	}{
		{importer.Flagger, "From a Canary, and the MetricTemplates it names"},
		{importer.Argo, "From a Rollout, and the AnalysisTemplates it names"},
		{importer.Manifests, "From two Deployments and a VirtualService, HTTPRoute, canary Ingress or Service"},
	} {
		cmd.AddCommand(&cobra.Command{
			Use: string(sub.from) + " FILE...", Short: sub.short, Args: someFiles, Long: sub.short + ".\n\n" + cmd.Long,
			RunE: func(c *cobra.Command, args []string) error { return doImport(c, sub.from, args, o) },
		})
	}
	f := cmd.PersistentFlags()
	f.StringVar(&o.Name, "name", "", "of the object to import, where there are several; of the rollout, for manifests")
	f.StringVar(&o.Prometheus, "prometheus", "", "address of the Prometheus that has the counts")
	return cmd
}

func doImport(c *cobra.Command, from importer.From, files []string, o importer.Options) error {
	var all bytes.Buffer
	for _, name := range files {
		text, err := readInput(name)
		if err != nil {
			return Usage(err)
		}
		fmt.Fprintf(&all, "%s\n---\n", text)
	}
	result, err := importer.Import(from, all.Bytes(), o)
	if err != nil {
		return Usage(fmt.Errorf("import %s: %s: %w", from, strings.Join(files, ", "), err))
	}
	for _, n := range result.Notes {
		fmt.Fprintln(c.ErrOrStderr(), "haldane:", n)
	}
	if _, err := c.OutOrStdout().Write(result.Document); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return nil
}

// readInput reads a file, "-" standard input, as far as an import takes it.
func readInput(name string) ([]byte, error) {
	in := io.Reader(os.Stdin)
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, fmt.Errorf("read the manifests: %w", err)
		}
		defer func() { _ = f.Close() }()
		in = f
	}
	text, err := io.ReadAll(io.LimitReader(in, importer.MaxInput+1))
	if err != nil {
		return nil, fmt.Errorf("read the manifests: %w", err)
	}
	return text, nil
}
