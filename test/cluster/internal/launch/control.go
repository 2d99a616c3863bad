package launch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/haldane-dev/haldane/test/cluster/internal/layout"
)

// ErrNotRunning says that no cluster runs in a folder.
var ErrNotRunning = errors.New("no cluster is running there")

// Attach finds the cluster that runs in dir.
func Attach(dir layout.Dir) (*Cluster, error) {
	data, err := os.ReadFile(dir.PID())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", dir, ErrNotRunning)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(data)))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", dir.PID(), err)
	}
	c := &Cluster{Dir: dir, pid: pid}
	// A process ID may have been given to another process since.
	if _, err := c.Components(context.Background()); err != nil {
		return nil, fmt.Errorf("%s: %w", dir, ErrNotRunning)
	}
	return c, nil
}

// Stop ends the cluster and everything in it, and returns when it is gone.
func (c *Cluster) Stop() error {
	if err := syscall.Kill(c.pid, syscall.SIGTERM); err != nil {
		return fmt.Errorf("stop the cluster: %w", err)
	}
	deadline := time.Now().Add(30 * time.Second)
	for time.Now().Before(deadline) {
		if _, err := os.Stat(c.Dir.ControlSocket()); os.IsNotExist(err) && syscall.Kill(c.pid, 0) != nil {
			return os.RemoveAll(c.Dir.PID())
		}
		time.Sleep(50 * time.Millisecond)
	}
	return syscall.Kill(c.pid, syscall.SIGKILL)
}

// Exec returns a command that will run in the cluster's namespaces, where its
// addresses can be reached and sniffed directly.
func (c *Cluster) Exec(ctx context.Context, name string, args ...string) *exec.Cmd {
	enter := []string{"--target", strconv.Itoa(c.pid), "--net", "--mount", "--pid"}
	if c.inUserNamespace() {
		enter = append(enter, "--user", "--preserve-credentials")
	}
	cmd := exec.CommandContext(ctx, "nsenter", append(append(enter, "--", name), args...)...)
	cmd.Env = append(environment(), "KUBECONFIG="+c.Dir.ComponentKubeconfig("admin"))
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

func (c *Cluster) inUserNamespace() bool {
	mine, err1 := os.Readlink("/proc/self/ns/user")
	its, err2 := os.Readlink(fmt.Sprintf("/proc/%d/ns/user", c.pid))
	return err1 == nil && err2 == nil && mine != its
}

// Components tells which components exist and whether each is running.
func (c *Cluster) Components(ctx context.Context) (map[string]bool, error) {
	body, err := c.order(ctx, http.MethodGet, "/components")
	if err != nil {
		return nil, err
	}
	var running map[string]bool
	return running, json.Unmarshal(body, &running)
}

// StartComponent starts a component that was stopped or killed and returns
// when it answers.
func (c *Cluster) StartComponent(ctx context.Context, name string) error {
	_, err := c.order(ctx, http.MethodPost, "/components/"+name+"/start")
	return err
}

// StopComponent ends a component, at once if kill is set, and returns when it
// is gone.
func (c *Cluster) StopComponent(ctx context.Context, name string, kill bool) error {
	verb := "stop"
	if kill {
		verb = "kill"
	}
	_, err := c.order(ctx, http.MethodPost, "/components/"+name+"/"+verb)
	return err
}

func (c *Cluster) order(ctx context.Context, method, path string) ([]byte, error) {
	client := &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", c.Dir.ControlSocket())
		},
	}}
	request, err := http.NewRequestWithContext(ctx, method, "http://cluster"+path, nil)
	if err != nil {
		return nil, err
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("give the cluster an order: %w", err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, fmt.Errorf("read the cluster's answer: %w", err)
	}
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s %s: %s", method, path, strings.TrimSpace(string(body)))
	}
	return body, nil
}
