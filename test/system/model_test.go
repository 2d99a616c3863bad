package system

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"testing"
	"time"
)

// modelVariable makes this test binary a model: its value is the share of
// requests that fail, in percent.
const modelVariable = "HALDANE_TEST_MODEL"

// model is a server that knows nothing of Haldane.
type model struct {
	url     string
	failing atomic.Int64 // share of requests that fail, in percent
	served  atomic.Int64 // predictions asked for, failed or not
}

// answer is what a model does. Failures are spread evenly.
func (m *model) answer() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if r.Method != http.MethodPost {
			return
		}
		if n := m.served.Add(1); n*37%100 < m.failing.Load() {
			http.Error(w, "no", http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"label":"yes","score":0.9}`)
	})
}

func newModel(t *testing.T, failing int) *model {
	t.Helper()
	m := &model{}
	m.failing.Store(int64(failing))
	s := httptest.NewServer(m.answer())
	t.Cleanup(s.Close)
	m.url = s.URL
	return m
}

// serveModel is the model as a command: it listens on $ADDRESS, leaves a file
// named by its process ID in $MARKS, and ends when it is told to. $SLOW delays
// its start.
func serveModel() {
	fail := func(err error) {
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
	}
	failing, err := strconv.Atoi(os.Getenv(modelVariable))
	fail(err)
	if d, err := time.ParseDuration(os.Getenv("SLOW")); err == nil {
		time.Sleep(d)
	}
	l, err := net.Listen("tcp", os.Getenv("ADDRESS"))
	fail(err)
	if dir := os.Getenv("MARKS"); dir != "" {
		fail(os.WriteFile(filepath.Join(dir, strconv.Itoa(os.Getpid())), []byte(l.Addr().String()), 0o600))
	}
	fmt.Println("a line of the model's own")
	m := &model{}
	m.failing.Store(int64(failing))
	fail(http.Serve(l, m.answer()))
}
