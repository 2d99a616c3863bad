package node

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/haldane-dev/haldane/test/cluster/internal/sandbox"
)

// The kubelet keeps at most this much of a termination message.
const (
	maxTerminationMessage = 4096
	maxFallbackMessage    = 2048
)

// process is one run of a container, ready to start.
type process struct {
	cmd         *sandbox.Process
	root        string
	log         *os.File
	logFrom     int64 // where this run's output begins in its log
	termination string
	policy      corev1.TerminationMessagePolicy
}

// imageError says that the image's name stands for no program.
type imageError struct{ image string }

func (e imageError) Error() string {
	return fmt.Sprintf("Failed to pull image %q: it is not in the cluster's table of images", e.image)
}

func (e imageError) reason() string { return "ErrImagePull" }

// prepare puts together everything a run needs. It is done anew for each run:
// the image, a ConfigMap or a Secret may have changed.
func (c *container) prepare() (*process, error) {
	images, err := LoadImages(c.w.agent.Dir.Images())
	if err != nil {
		return nil, err
	}
	image, ok := images.Find(c.spec.Image)
	if !ok {
		return nil, imageError{c.spec.Image}
	}
	spec, err := c.sandbox(image)
	if err != nil {
		return nil, err
	}
	c.w.mu.Lock()
	run := c.restarts
	c.view = spec
	c.w.mu.Unlock()

	p := &process{root: spec.Root, policy: c.spec.TerminationMessagePolicy}
	if p.log, err = c.openLog(run); err != nil {
		return nil, err
	}
	if info, err := p.log.Stat(); err == nil {
		p.logFrom = info.Size()
	}
	if path := c.spec.TerminationMessagePath; path != "" {
		p.termination = filepath.Join(filepath.Dir(p.log.Name()), "termination-log")
		if err := os.WriteFile(p.termination, nil, 0o666); err != nil {
			return nil, fmt.Errorf("make the termination message's file: %w", err)
		}
		spec.Mounts = append(spec.Mounts, sandbox.Mount{Source: p.termination, Target: path})
	}
	if p.cmd, err = spec.Command(c.w.agent.Podinit); err != nil {
		return nil, err
	}
	p.cmd.Stdout, p.cmd.Stderr = p.log, p.log
	return p, nil
}

// sandbox describes the container's view.
func (c *container) sandbox(image Image) (sandbox.Spec, error) {
	env, err := c.environment(image)
	if err != nil {
		return sandbox.Spec{}, err
	}
	root := c.w.agent.podDir(c.w.pod, "root", c.spec.Name)
	if err := makeDir(root); err != nil {
		return sandbox.Spec{}, err
	}
	s := sandbox.Spec{
		Root: root, Hostname: c.w.hostname(), Dir: image.Dir,
		Argv: c.argv(image, env), Env: env.list(),
	}
	if c.spec.WorkingDir != "" {
		s.Dir = c.spec.WorkingDir
	}
	if filepath.IsAbs(image.Program) && hidden(image.Program) {
		s.Mounts = append(s.Mounts, sandbox.Mount{Source: image.Program, Target: image.Program, ReadOnly: true})
	}
	for target, source := range image.Mounts {
		s.Mounts = append(s.Mounts, sandbox.Mount{Source: source, Target: target, ReadOnly: true})
	}
	mounts, err := c.volumeMounts(env)
	s.Mounts = append(s.Mounts, mounts...)
	return s, err
}

// hidden reports whether containers see a folder of their own where path lies.
func hidden(path string) bool {
	return strings.HasPrefix(path, "/tmp/") || strings.HasPrefix(path, "/run/")
}

// argv is the image's program and arguments, unless the container has its own:
// command replaces both, args the arguments.
func (c *container) argv(image Image, env environment) []string {
	argv := append([]string{image.Program}, image.Args...)
	if len(c.spec.Args) > 0 {
		argv = append([]string{image.Program}, env.expandAll(c.spec.Args)...)
	}
	if len(c.spec.Command) > 0 {
		argv = append(env.expandAll(c.spec.Command), env.expandAll(c.spec.Args)...)
	}
	return argv
}

func (p *process) cleanUp() {
	_ = p.log.Close()
}

// explain fills in the reason and message of a run that ended.
func (p *process) explain(t *corev1.ContainerStateTerminated) {
	output := p.tail(maxFallbackMessage)
	if t.ExitCode == sandbox.StartFailure {
		lines := strings.Split(strings.TrimSpace(output), "\n")
		if why, ok := strings.CutPrefix(lines[len(lines)-1], sandbox.FailurePrefix); ok {
			t.Reason, t.Message = "StartError", why
			return
		}
	}
	if p.termination != "" {
		if data, err := os.ReadFile(p.termination); err == nil && len(data) > 0 {
			t.Message = string(data[:min(len(data), maxTerminationMessage)])
		}
	}
	if t.Message == "" && t.ExitCode != 0 && p.policy == corev1.TerminationMessageFallbackToLogsOnError {
		t.Message = output
	}
}

// tail returns the last bytes of this run's output.
func (p *process) tail(most int64) string {
	file, err := os.Open(p.log.Name())
	if err != nil {
		return ""
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return ""
	}
	if _, err := file.Seek(max(p.logFrom, info.Size()-most), io.SeekStart); err != nil {
		return ""
	}
	data, _ := io.ReadAll(file)
	return string(bytes.ToValidUTF8(data, []byte("?")))
}
