package provider

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/haldane-dev/haldane/internal/outbound"
	"github.com/haldane-dev/haldane/internal/reading"
)

// noon is when the fakes' numbers are of.
var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

var canary = reading.Vars{Name: "churn", Namespace: "shop", Arm: "canary", Version: `v"2`, Revision: "1f0c", Pods: "churn-[a-z]+"}

const token = "a-token-that-nobody-shows"

func secret(text string) Secret {
	return func(context.Context) ([]byte, error) { return []byte(text), nil }
}

func lost(context.Context) ([]byte, error) { return nil, errors.New("API_TOKEN is empty or not there") }

// fake is a server that knows some points, or answers in another way.
type fake struct {
	points []reading.Value
	answer func(w http.ResponseWriter, r *http.Request) bool // true: that was it
}

// system is how one provider is made and what its server speaks.
type system struct {
	make  func(address string, s Secret) (reading.Reader, error)
	serve func(t *testing.T, f *fake, w http.ResponseWriter, r *http.Request)
	// many is an answer with two series, none one without any, null one whose value is none.
	many, none, null string
}

// minutes are numbers a minute apart, the last at noon.
func minutes(numbers ...float64) []reading.Value {
	var out []reading.Value
	for i, x := range numbers {
		out = append(out, reading.Value{At: noon.Add(time.Duration(i-len(numbers)+1) * time.Minute), Number: x})
	}
	return out
}

func (s system) start(t *testing.T, f *fake, key Secret) (reading.Reader, string) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if f.answer == nil || !f.answer(w, r) {
			s.serve(t, f, w, r)
		}
	}))
	t.Cleanup(server.Close)
	reader, err := s.make(server.URL, key)
	if err != nil {
		t.Fatal(err)
	}
	return reader, server.URL
}

func through() *http.Client { return outbound.New(outbound.Options{}).HTTP() }

func say(text string, status int) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, _ *http.Request) bool {
		media := "text/csv"
		switch {
		case strings.HasPrefix(text, "{"):
			media = "application/json"
		case strings.HasPrefix(text, "<"):
			media = "text/html"
		}
		w.Header().Set("Content-Type", media)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, text)
		return true
	}
}

// TestEveryProvider holds all of them to the same contract.
func TestEveryProvider(t *testing.T) {
	for name, s := range systems {
		t.Run(name, func(t *testing.T) {
			t.Run("newest", func(t *testing.T) { newest(t, s) })
			t.Run("past", func(t *testing.T) { past(t, s) })
			t.Run("no value", func(t *testing.T) { noValue(t, s) })
			t.Run("trouble", func(t *testing.T) { trouble(t, s) })
		})
	}
}

func newest(t *testing.T, s system) {
	r, _ := s.start(t, &fake{points: minutes(1, 2.5, -3e9)}, secret(token))
	v, err := r.Read(t.Context(), canary, noon)
	if err != nil || v.Number != -3e9 {
		t.Errorf("read %+v, %v", v, err)
	}
	r, _ = s.start(t, &fake{points: minutes(0)}, secret(token))
	if v, err = r.Read(t.Context(), canary, noon); err != nil || v.Number != 0 {
		t.Errorf("zero is a number: %+v, %v", v, err)
	}
}

func past(t *testing.T, s system) {
	r, _ := s.start(t, &fake{points: minutes(1, 2, 3, 4, 5)}, secret(token))
	p, ok := r.(reading.Past)
	if !ok {
		t.Skip("knows no past")
	}
	got, err := p.Past(t.Context(), canary, reading.Span{Start: noon.Add(-3 * time.Minute), End: noon, Step: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	for i := range got {
		got[i].At = got[i].At.UTC()
	}
	if d := cmp.Diff(minutes(2, 3, 4, 5), got); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}

func noValue(t *testing.T, s system) {
	for what, text := range map[string]string{"no series": s.none, "null": s.null} {
		f := &fake{answer: say(text, http.StatusOK)}
		if text == "" {
			continue
		}
		r, _ := s.start(t, f, secret(token))
		if v, err := r.Read(t.Context(), canary, noon); !errors.Is(err, reading.ErrNone) {
			t.Errorf("%s: %+v, %v", what, v, err)
		}
	}
	if s.many == "" {
		return
	}
	r, _ := s.start(t, &fake{answer: say(s.many, http.StatusOK)}, secret(token))
	if v, err := r.Read(t.Context(), canary, noon); err == nil || errors.Is(err, reading.ErrNone) || !strings.Contains(err.Error(), "one") {
		t.Errorf("many: %+v, %v", v, err)
	}
}

// trouble is an error each time, and none of them shows a secret.
func trouble(t *testing.T, s system) {
	for what, f := range map[string]*fake{
		"not allowed":  {answer: say(`{"message":"no"}`, http.StatusForbidden)},
		"out of order": {answer: say(`no`, http.StatusInternalServerError)},
		"a page":       {answer: say(`<html>log in</html>`, http.StatusOK)},
		"broken off":   {answer: say(`{"stat`, http.StatusOK)},
	} {
		r, _ := s.start(t, f, secret(token))
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		v, err := r.Read(ctx, canary, noon)
		cancel()
		if err == nil || errors.Is(err, reading.ErrNone) || strings.Contains(err.Error(), token) {
			t.Errorf("%s: %+v, %v", what, v, err)
		}
	}
	r, _ := s.start(t, &fake{points: minutes(1)}, lost)
	if _, err := r.Read(t.Context(), canary, noon); err == nil || !strings.Contains(err.Error(), "API_TOKEN is empty or not there") {
		t.Errorf("without its secret: %v", err)
	}
	// Slow answers end with the context.
	r, _ = s.start(t, &fake{answer: func(_ http.ResponseWriter, r *http.Request) bool {
		_, _ = io.Copy(io.Discard, r.Body) // a server sees its client go only then
		<-r.Context().Done()
		return true
	}}, secret(token))
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := r.Read(ctx, canary, noon); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("slow: %v", err)
	}
}
