package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// controller is `haldane controller` as a process of its own.
type controller struct {
	cmd      *exec.Cmd
	done     chan struct{} // closed when it has ended
	err      error         // of its end
	metrics  string        // address
	profiles string
	log      *os.File
}

// startController starts it and waits until it is ready.
func startController(ctx context.Context, program string, c *cluster, o options) (*controller, error) {
	var free [3]string
	for i := range free {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, fmt.Errorf("find a free port: %w", err)
		}
		free[i] = l.Addr().String()
		l.Close()
	}
	p := &controller{done: make(chan struct{}), metrics: free[0], profiles: free[2]}
	// The lease is renewed 30 times a minute however many rollouts there are.
	args := []string{program, "controller", "--leader-elect=false", "--all-namespaces", "--kubeconfig=" + c.kubeconfig(), "--metrics=" + free[0], "--health=" + free[1]}
	if o.profiles != "" {
		if err := os.MkdirAll(o.profiles, 0o755); err != nil {
			return nil, fmt.Errorf("make the folder for profiles: %w", err)
		}
		args = append(args, "--profiles="+free[2])
	}
	if o.realtime {
		args = append([]string{"chrt", "-f", "5"}, args...)
	}
	p.cmd = exec.CommandContext(ctx, args[0], args[1:]...)
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var err error
	if p.log, err = os.Create(filepath.Join(filepath.Dir(c.dir), "controller.log")); err != nil {
		return nil, err
	}
	p.cmd.Stdout, p.cmd.Stderr = p.log, p.log
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the controller: %w", err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	return p, p.ready(ctx, "http://"+free[1]+"/readyz")
}

func (p *controller) ready(ctx context.Context, url string) error {
	return eventually(ctx, func() (bool, error) {
		select {
		case <-p.done:
			text, _ := os.ReadFile(p.log.Name())
			return false, fmt.Errorf("the controller ended: %w: %s", p.err, text[max(0, len(text)-2000):])
		default:
		}
		resp, err := http.Get(url)
		if err != nil {
			return false, nil
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusOK, nil
	})
}

// eventually calls ok until it says so.
func eventually(ctx context.Context, ok func() (bool, error)) error {
	for tick := time.NewTicker(200 * time.Millisecond); ; {
		if is, err := ok(); is || err != nil {
			tick.Stop()
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("given up: %w", context.Cause(ctx))
		case <-tick.C:
		}
	}
}

// stop ends it in order.
func (p *controller) stop() {
	_ = p.cmd.Process.Signal(os.Interrupt) // it may have ended already
	select {
	case <-p.done:
	case <-time.After(20 * time.Second):
		_ = p.cmd.Process.Kill()
		<-p.done
	}
	_ = p.log.Close()
}

// usage is what a process has used so far.
type usage struct {
	at    time.Time
	cpu   time.Duration // user and system
	rss   int64         // bytes now
	peak  int64         // the most it ever had
	calls map[string]float64
}

// clockTick is the unit of /proc/PID/stat on every Linux there is.
const clockTick = 10 * time.Millisecond

func (p *controller) usage() (usage, error) {
	u := usage{at: time.Now()}
	dir := "/proc/" + strconv.Itoa(p.cmd.Process.Pid)
	stat, err := os.ReadFile(dir + "/stat")
	if err != nil {
		return u, fmt.Errorf("read the controller's CPU time: %w", err)
	}
	status, err := os.ReadFile(dir + "/status")
	if err != nil {
		return u, fmt.Errorf("read the controller's memory: %w", err)
	}
	if u.cpu, err = cpuOf(string(stat)); err != nil {
		return u, err
	}
	u.rss, u.peak = memoryOf(string(status), "VmRSS:"), memoryOf(string(status), "VmHWM:")
	u.calls, err = p.calls()
	return u, err
}

// cpuOf reads /proc/PID/stat. The name of the program may hold anything.
func cpuOf(stat string) (time.Duration, error) {
	fields := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	if len(fields) < 13 {
		return 0, errors.New("read /proc/PID/stat: it is not as expected")
	}
	var ticks int64
	for _, f := range fields[11:13] { // utime and stime
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("read /proc/PID/stat: %w", err)
		}
		ticks += n
	}
	return time.Duration(ticks) * clockTick, nil
}

// memoryOf reads one line of /proc/PID/status, in bytes.
func memoryOf(status, line string) int64 {
	_, rest, _ := strings.Cut(status, "\n"+line)
	number, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
	kib, _ := strconv.ParseInt(number, 10, 64)
	return kib << 10
}

// calls is how often the controller has called the API server, by verb.
func (p *controller) calls() (map[string]float64, error) {
	resp, err := http.Get("http://" + p.metrics + "/metrics")
	if err != nil {
		return nil, fmt.Errorf("read the controller's metrics: %w", err)
	}
	defer resp.Body.Close()
	return requests(resp.Body, "rest_client_requests_total", func(l map[string]string) string { return l["method"] })
}

// requests sums a counter by what key makes of its labels, "" for none.
func requests(text io.Reader, name string, key func(map[string]string) string) (map[string]float64, error) {
	parser := expfmt.NewTextParser(model.UTF8Validation)
	all, err := parser.TextToMetricFamilies(text)
	if err != nil {
		return nil, fmt.Errorf("read metrics: %w", err)
	}
	out := map[string]float64{}
	for _, m := range all[name].GetMetric() {
		if k := key(labelsOf(m)); k != "" {
			out[k] += m.GetCounter().GetValue()
		}
	}
	return out, nil
}

func labelsOf(m *dto.Metric) map[string]string {
	out := map[string]string{}
	for _, l := range m.GetLabel() {
		out[l.GetName()] = l.GetValue()
	}
	return out
}

// profile keeps a profile of the controller.
func (p *controller) profile(ctx context.Context, kind, file string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.profiles+"/debug/pprof/"+kind, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return fmt.Errorf("profile the controller: %w", err)
	}
	defer resp.Body.Close()
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, resp.Body)
	return errors.Join(err, f.Close())
}
