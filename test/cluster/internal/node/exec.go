package node

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"strconv"
	"syscall"
	"time"

	"k8s.io/cri-streaming/pkg/streaming/portforward"
	"k8s.io/cri-streaming/pkg/streaming/remotecommand"
	utilexec "k8s.io/utils/exec"
)

const (
	streamIdle     = 4 * time.Hour
	streamCreation = 30 * time.Second
)

// command returns the command that runs argv beside the container's program:
// in its namespaces, under its root, with its environment. It asks the API
// server for nothing: probes go on while that is away.
func (c *container) command(argv []string) (*exec.Cmd, error) {
	c.w.mu.Lock()
	pid, env := c.pid, c.view.Env
	c.w.mu.Unlock()
	if pid == 0 {
		return nil, fmt.Errorf("the container %s is not running", c.spec.Name)
	}
	enter := []string{"--target", strconv.Itoa(pid), "--mount", "--pid", "--net", "--uts", "--ipc", "--root", "--wd", "--"}
	path, err := exec.LookPath("nsenter")
	if err != nil {
		return nil, fmt.Errorf("enter a container: %w", err)
	}
	cmd := exec.Command(path, append(enter, argv...)...)
	cmd.Env = env
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.WaitDelay = time.Second
	return cmd, nil
}

// runIn runs a command in a container and kills it, with its children, when
// ctx ends.
func runIn(ctx context.Context, cmd *exec.Cmd) error {
	if err := cmd.Start(); err != nil {
		return err
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		<-done
		return context.Cause(ctx)
	}
}

// exec runs a probe's or a hook's command.
func (c *container) exec(ctx context.Context, argv []string) error {
	cmd, err := c.command(argv)
	if err != nil {
		return err
	}
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	err = runIn(ctx, cmd)
	if ctx.Err() != nil {
		return fmt.Errorf("command timed out: %q", argv)
	} else if err != nil {
		return fmt.Errorf("%w: %s", err, bytes.TrimSpace(output.Bytes()))
	}
	return nil
}

// serveExec is kubectl exec. There are no terminals: what asks for one gets
// plain streams.
func (a *Agent) serveExec(w http.ResponseWriter, r *http.Request) {
	c := a.find(r.PathValue("namespace"), r.PathValue("pod"), r.PathValue("container"))
	if c == nil {
		http.Error(w, "no such container runs on this node", http.StatusNotFound)
		return
	}
	options, err := remotecommand.NewOptions(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	remotecommand.ServeExec(w, r, streamer{c: c}, r.PathValue("pod"), "", c.spec.Name,
		r.URL.Query()["command"], options, streamIdle, streamCreation, remotecommand.SupportedStreamingProtocols)
}

// servePortForward is kubectl port-forward.
func (a *Agent) servePortForward(w http.ResponseWriter, r *http.Request) {
	c := a.find(r.PathValue("namespace"), r.PathValue("pod"), "")
	if c == nil {
		http.Error(w, "no such pod runs on this node", http.StatusNotFound)
		return
	}
	options, err := portforward.NewV4Options(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	portforward.ServePortForward(w, r, streamer{c: c}, r.PathValue("pod"), "", options,
		streamIdle, streamCreation, portforward.SupportedProtocols)
}

// streamer carries the streams of one request.
type streamer struct{ c *container }

// ExecInContainer implements remotecommand.Executor.
func (s streamer) ExecInContainer(ctx context.Context, _, _, _ string, argv []string, in io.Reader, out, errs io.WriteCloser, tty bool, _ <-chan remotecommand.TerminalSize, _ time.Duration) error {
	cmd, err := s.c.command(argv)
	if err != nil {
		return err
	}
	cmd.Stdout, cmd.Stderr = out, errs
	if tty {
		cmd.Stderr = out
	}
	if in != nil {
		// Not cmd.Stdin: Wait would wait for a client that has nothing to say.
		pipe, err := cmd.StdinPipe()
		if err != nil {
			return err
		}
		go func() { _, _ = io.Copy(pipe, in); _ = pipe.Close() }()
	}
	err = runIn(ctx, cmd)
	if exit, ok := err.(*exec.ExitError); ok {
		return utilexec.CodeExitError{Err: exit, Code: exit.ExitCode()}
	}
	return err
}

// PortForward implements portforward.PortForwarder. It dials from inside the
// pod, so servers that listen on its loopback interface alone answer too.
func (s streamer) PortForward(_ context.Context, _, _ string, port int32, stream io.ReadWriteCloser) error {
	var conn net.Conn
	err := s.c.w.inNetwork(func() (err error) {
		conn, err = net.DialTimeout("tcp4", net.JoinHostPort("localhost", strconv.Itoa(int(port))), streamCreation)
		return err
	})
	if err != nil {
		return err
	}
	defer conn.Close()
	go func() {
		_, _ = io.Copy(conn, stream)
		_ = conn.(*net.TCPConn).CloseWrite()
	}()
	_, err = io.Copy(stream, conn)
	return err
}
