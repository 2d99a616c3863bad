package node

import (
	"bytes"
	"io"
	"net/http"
	"os"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// followInterval is how often a followed log is looked at for more.
const followInterval = 200 * time.Millisecond

func (a *Agent) log(rw http.ResponseWriter, r *http.Request) {
	c := a.find(r.PathValue("namespace"), r.PathValue("pod"), r.PathValue("container"))
	if c == nil {
		http.Error(rw, "no such container runs on this node", http.StatusNotFound)
		return
	}
	c.w.mu.Lock()
	run := c.restarts
	c.w.mu.Unlock()
	query := r.URL.Query()
	if query.Get("previous") == "true" {
		run--
	}
	file, err := os.Open(c.logPath(run))
	if err != nil {
		http.Error(rw, "the container has no output of that run", http.StatusNotFound)
		return
	}
	defer file.Close()
	if n, err := strconv.Atoi(query.Get("tailLines")); err == nil {
		skipToTail(file, n)
	}
	out := flushing{rw}
	_, _ = io.Copy(out, file)
	for query.Get("follow") == "true" && r.Context().Err() == nil {
		sleep(r.Context(), followInterval)
		if n, err := io.Copy(out, file); err != nil || (n == 0 && c.finished(run)) {
			return
		}
	}
}

// find returns a container of a pod that runs here, the first if name is empty.
func (a *Agent) find(namespace, pod, name string) *container {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, w := range a.workers {
		if w.pod.Namespace != namespace || w.pod.Name != pod {
			continue
		}
		for _, c := range append(append([]*container{}, w.inits...), w.mains...) {
			if name == "" || c.spec.Name == name {
				return c
			}
		}
	}
	return nil
}

// finished reports whether nothing more will be written to the run's log.
func (c *container) finished(run int32) bool {
	c.w.mu.Lock()
	defer c.w.mu.Unlock()
	return c.restarts != run || c.state.Running == nil && c.w.ended || c.w.pod.Spec.RestartPolicy != corev1.RestartPolicyAlways && c.state.Terminated != nil
}

// skipToTail leaves the file at the beginning of its last n lines.
func skipToTail(file *os.File, n int) {
	data, err := io.ReadAll(file)
	if err != nil {
		return
	}
	from := len(bytes.TrimSuffix(data, []byte("\n")))
	for ; n > 0 && from >= 0; n-- {
		from = bytes.LastIndexByte(data[:from], '\n')
	}
	_, _ = file.Seek(int64(from+1), io.SeekStart)
}

type flushing struct{ http.ResponseWriter }

func (f flushing) Write(p []byte) (int, error) {
	n, err := f.ResponseWriter.Write(p)
	if err == nil {
		err = http.NewResponseController(f.ResponseWriter).Flush()
	}
	return n, err
}
