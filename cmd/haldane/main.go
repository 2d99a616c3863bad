// Command haldane rolls out new versions of machine-learning models.
package main

import (
	"context"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/haldane-dev/haldane/internal/app"
	"github.com/haldane-dev/haldane/internal/cli"
	"github.com/haldane-dev/haldane/internal/demo"
)

func main() {
	ignoreFileSizeLimit()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // whoever asks a second time does not want to wait
	code := cli.Main(ctx, os.Args[1:], os.Stdout, os.Stderr, cli.Program{
		Run: app.Run, Controller: app.Controller, Gateway: app.Gateway, Demo: demo.Run, Model: demo.Model, Scenarios: demo.Scenarios(),
		Cluster: app.Cluster, Plugin: strings.HasPrefix(filepath.Base(os.Args[0]), "kubectl-haldane"),
		Plan: app.Plan, Check: app.Check, Recorded: app.Recorded, LatencyEdges: app.LatencyEdges(),
	})
	stop()
	os.Exit(code)
}
