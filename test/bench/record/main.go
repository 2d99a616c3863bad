package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"time"
)

func main() {
	size := flag.Int64("bytes", 1<<30, "length of each record")
	rollouts := flag.Int("rollouts", 5000, "rollouts in each record")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Stdout, *size, *rollouts); err != nil {
		fmt.Fprintln(os.Stderr, "record:", err)
		os.Exit(1)
	}
}

// run measures both orders and prints a line of a table for each.
func run(ctx context.Context, out io.Writer, size int64, rollouts int) error {
	if rollouts < 1 || size < 1 {
		return errors.New("write -rollouts and -bytes above 0")
	}
	dir, err := os.MkdirTemp("", "haldane-record")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	binary, file := filepath.Join(dir, "haldane"), filepath.Join(dir, "rollout.yaml")
	build := exec.CommandContext(ctx, "go", "build", "-o", binary, "github.com/haldane-dev/haldane/cmd/haldane")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		return fmt.Errorf("build haldane: %w", err)
	}
	if err := os.WriteFile(file, []byte(rolloutFile), 0o600); err != nil {
		return err
	}
	fmt.Fprintf(out, "| order | rollouts | blocks | bytes | largest resident memory | time |\n|---|--:|--:|--:|--:|--:|\n")
	for _, o := range []order{successive, interleaved} {
		used, err := judged(ctx, binary, file, newRecord(o, rollouts, size))
		if err != nil {
			return fmt.Errorf("%s: %w", o, err)
		}
		fmt.Fprintf(out, "| %s | %d | %d | %d | %.0f MB | %s |\n", o, rollouts, used.blocks, used.bytes, float64(used.memory)/1e6, used.took.Round(time.Second))
	}
	return nil
}

// use is what one run took.
type use struct {
	blocks, bytes, memory int64
	took                  time.Duration
}

// judged runs the command on a record and requires a verdict on each rollout.
func judged(ctx context.Context, binary, file string, r *record) (use, error) {
	cmd := exec.CommandContext(ctx, binary, "judge", "-f", file, "--counts", "-", "--only", "rollback", "-o", "json")
	var lines counter
	var complaints bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = r, &lines, &complaints
	begun := time.Now()
	err := cmd.Run()
	took := time.Since(begun)
	// 3 says that a rollout failed: at most 1% of the healthy may.
	if e := (*exec.ExitError)(nil); err != nil && !(errors.As(err, &e) && e.ExitCode() == 3) {
		return use{}, fmt.Errorf("haldane judge: %w: %s", err, complaints.String())
	}
	if int64(lines) != int64(r.rollouts) {
		return use{}, fmt.Errorf("haldane judge gave %d verdicts for %d rollouts", lines, r.rollouts)
	}
	return use{blocks: r.written, bytes: r.length, memory: largest(cmd.ProcessState), took: took}, nil
}

// counter counts lines.
type counter int64

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(bytes.Count(p, []byte("\n")))
	return len(p), nil
}
