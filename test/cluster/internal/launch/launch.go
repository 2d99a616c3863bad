package launch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/haldane-dev/haldane/test/cluster/internal/layout"
	"github.com/haldane-dev/haldane/test/cluster/internal/supervise"
)

// Cluster is a running cluster.
type Cluster struct {
	Dir   layout.Dir
	Proxy string // host:port of the HTTP proxy into the cluster
	pid   int
}

// Start starts a cluster whose files lie in dir, an existing empty folder, and
// waits until it answers. With a tether the cluster lives until the returned
// writer is closed, by the caller or by the caller's end; without, until Stop.
func Start(ctx context.Context, dir layout.Dir, o supervise.Options, tethered bool) (*Cluster, io.Closer, error) {
	if err := o.Save(dir); err != nil {
		return nil, nil, err
	}
	door, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, fmt.Errorf("listen for the cluster's clients: %w", err)
	}
	defer door.Close()
	cmd, tether, err := spawn(dir, o, door.(*net.TCPListener), tethered)
	if err != nil {
		return nil, nil, err
	}
	c := &Cluster{Dir: dir, Proxy: door.Addr().String(), pid: cmd.Process.Pid}
	exited := make(chan error, 1)
	go func() { exited <- cmd.Wait() }()
	err = os.WriteFile(dir.PID(), []byte(strconv.Itoa(c.pid)), 0o644)
	if err == nil {
		err = awaitReady(ctx, dir, exited)
	}
	if err != nil {
		_ = cmd.Process.Kill()
		return nil, nil, err
	}
	return c, tether, nil
}

// spawn starts the supervisor in namespaces of its own. It inherits the door,
// which keeps its place in the host's network, and the reading end of the
// tether.
func spawn(dir layout.Dir, o supervise.Options, door *net.TCPListener, tethered bool) (*exec.Cmd, io.Closer, error) {
	file, err := door.File()
	if err != nil {
		return nil, nil, fmt.Errorf("pass the clients' door on: %w", err)
	}
	defer file.Close()
	log, err := os.Create(dir.Path("supervisor.log"))
	if err != nil {
		return nil, nil, fmt.Errorf("open the supervisor's log: %w", err)
	}
	defer log.Close()
	files := []*os.File{file}
	var tether io.Closer = io.NopCloser(nil)
	if tethered {
		end, held, err := os.Pipe()
		if err != nil {
			return nil, nil, fmt.Errorf("make the tether: %w", err)
		}
		defer end.Close()
		files, tether = append(files, end), held
	}
	cmd, err := startIn(o.Bin, dir, files, log, true)
	if errors.Is(err, syscall.EPERM) && os.Geteuid() == 0 {
		cmd, err = startIn(o.Bin, dir, files, log, false)
	}
	if err != nil {
		_ = tether.Close()
		return nil, nil, fmt.Errorf("start the cluster in namespaces of its own (are user namespaces allowed? kernel.unprivileged_userns_clone, kernel.apparmor_restrict_unprivileged_userns; or run as root): %w", err)
	}
	return cmd, tether, nil
}

func startIn(bin string, dir layout.Dir, files []*os.File, log *os.File, userNamespace bool) (*exec.Cmd, error) {
	args := []string{"supervise", string(dir)}
	if len(files) > 1 {
		args = append(args, "tethered")
	}
	cmd := exec.Command(filepath.Join(bin, "cluster"), args...)
	cmd.ExtraFiles = files
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Env = environment()
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Setsid:     true, // an interrupt typed at the terminal is for the program that uses the cluster
		Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS | syscall.CLONE_NEWPID,
	}
	if userNamespace {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	} else {
		cmd.SysProcAttr.Unshareflags = syscall.CLONE_NEWNS // makes mounts private
	}
	return cmd, cmd.Start()
}

// environment leaves out what would send the cluster's own traffic elsewhere.
func environment() []string {
	var env []string
	for _, e := range os.Environ() {
		name, _, _ := strings.Cut(e, "=")
		if !strings.HasSuffix(strings.ToLower(name), "_proxy") && name != "KUBECONFIG" {
			env = append(env, e)
		}
	}
	return append(env, "PATH="+os.Getenv("PATH")+":/usr/sbin:/sbin")
}

func awaitReady(ctx context.Context, dir layout.Dir, exited chan error) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		if why, err := os.ReadFile(dir.Failed()); err == nil {
			return fmt.Errorf("the cluster did not start: %s", why)
		}
		if _, err := os.Stat(dir.Ready()); err == nil {
			return nil
		}
		select {
		case err := <-exited:
			if why, failed := os.ReadFile(dir.Failed()); failed == nil {
				return fmt.Errorf("the cluster did not start: %s", why)
			}
			return fmt.Errorf("the cluster's supervisor ended (%v); its log is %s", err, dir.Path("supervisor.log"))
		case <-ctx.Done():
			return fmt.Errorf("wait for the cluster: %w", ctx.Err())
		case <-tick.C:
		}
	}
}
