package node

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/haldane-dev/haldane/test/cluster/internal/layout"
)

// followInterval is how often a followed log is looked at for more.
const followInterval = 200 * time.Millisecond

// serveLogs answers the API server's requests for containers' output. It
// takes the API server's own client certificate and no other.
func (a *Agent) serveLogs() (stop func(), err error) {
	cert, err := tls.LoadX509KeyPair(a.Dir.PKI("node-server.crt"), a.Dir.PKI("node-server.key"))
	if err != nil {
		return nil, fmt.Errorf("read the node's certificate: %w", err)
	}
	ca, err := os.ReadFile(a.Dir.PKI("ca.crt"))
	if err != nil {
		return nil, fmt.Errorf("read the authority's certificate: %w", err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	listener, err := net.Listen("tcp", net.JoinHostPort(layout.NodeIP, strconv.Itoa(layout.KubeletPort)))
	if err != nil {
		return nil, fmt.Errorf("listen for requests for logs: %w", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /containerLogs/{namespace}/{pod}/{container}", a.log)
	server := &http.Server{
		Handler:           onlyAPIServer(mux),
		ReadHeaderTimeout: 10 * time.Second,
		TLSConfig:         &tls.Config{Certificates: []tls.Certificate{cert}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert},
	}
	go func() { _ = server.ServeTLS(listener, "", "") }()
	return func() { _ = server.Close() }, nil
}

func onlyAPIServer(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.TLS.PeerCertificates[0].Subject.CommonName != layout.KubeletClient {
			http.Error(w, "only the API server may ask", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

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

func (a *Agent) find(namespace, pod, name string) *container {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, w := range a.workers {
		if w.pod.Namespace != namespace || w.pod.Name != pod {
			continue
		}
		for _, c := range append(append([]*container{}, w.inits...), w.mains...) {
			if c.spec.Name == name {
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
