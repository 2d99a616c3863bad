// Command haldane rolls out new versions of machine-learning models.
package main

import (
	"context"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/haldane-dev/haldane/internal/app"
	"github.com/haldane-dev/haldane/internal/cli"
	"github.com/haldane-dev/haldane/internal/demo"
)

func main() {
	ignoreFileSizeLimit()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// Whoever asks a second time does not want to wait. What comes at once with the
	// first is the same wish: timeout(1) signals the program, and then its group.
	context.AfterFunc(ctx, func() { time.AfterFunc(time.Second, stop) })
	code := cli.Main(ctx, os.Args[1:], os.Stdout, os.Stderr, cli.Program{
		Run: app.Run, Controller: app.Controller, Gateway: app.Gateway, Demo: demo.Run, Model: demo.Model, Scenarios: demo.Scenarios(),
		Cluster: app.Cluster, Plugin: strings.HasPrefix(filepath.Base(os.Args[0]), "kubectl-haldane"),
		Plan: app.Plan, Check: app.Check, Recorded: app.Recorded, LatencyEdges: app.LatencyEdges(),
	})
	stop()
	os.Exit(code)
}
