package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"syscall"

	"github.com/haldane-dev/haldane/internal/traffic"
)

// failure is an answer that the gateway makes itself.
type failure struct {
	status  int
	message string
	retry   bool // say when to come again
}

var (
	errNoEndpoint = errors.New("no endpoint")
	errStalled    = errors.New("no answer in time")
	errCutShort   = errors.New("answer cut short")
	errUpgrade    = errors.New("answered an upgrade to another protocol than was asked for")
)

// failed says what a client is told when the arm of d did not answer.
func failed(d *Decision, err error) failure {
	who := armName(d.Arm, d.Version())
	switch {
	case errors.Is(err, errNoEndpoint):
		return failure{http.StatusServiceUnavailable, who + " has no endpoint", true}
	case errors.Is(err, errStalled), isTimeout(err):
		return failure{http.StatusGatewayTimeout, who + " did not answer in time", false}
	case errors.Is(err, syscall.ECONNREFUSED):
		return failure{http.StatusBadGateway, who + " refused the connection", false}
	case errors.Is(err, errUpgrade), errors.Is(err, errCutShort):
		return failure{http.StatusBadGateway, fmt.Sprintf("%s: %v", who, err), false}
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return failure{http.StatusBadGateway, who + " closed the connection before it answered", false}
	}
	var dns *net.DNSError
	if errors.As(err, &dns) {
		return failure{http.StatusBadGateway, who + ": its host name could not be resolved", false}
	}
	return failure{http.StatusBadGateway, who + " could not be reached or gave no valid answer", false}
}

func isTimeout(err error) bool {
	var t net.Error
	return errors.As(err, &t) && t.Timeout() || errors.Is(err, context.DeadlineExceeded)
}

// armName is how messages call an arm: "canary v2".
func armName(arm traffic.Arm, version string) string {
	if version == "" {
		return arm.String()
	}
	return arm.String() + " " + version
}

// send answers with f, in the form that the client's protocol understands.
func (f failure) send(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	if f.retry {
		h.Set("Retry-After", "1")
	}
	if isGRPC(r.Header.Get("Content-Type")) {
		h.Set("Content-Type", "application/grpc")
		h.Set("Grpc-Status", strconv.Itoa(grpcCode(f.status)))
		h.Set("Grpc-Message", grpcMessage(f.message))
		w.WriteHeader(http.StatusOK)
		return
	}
	body, err := json.Marshal(struct {
		Error string `json:"error"`
	}{f.message})
	if err != nil { // a string always has a JSON form
		body = []byte(`{"error":"gateway"}`)
	}
	body = append(body, '\n')
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(f.status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // a client that is gone needs no answer
	}
}
