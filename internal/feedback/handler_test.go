package feedback

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/haldane-dev/haldane/internal/traffic"
)

func send(l *Ledger, body string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, "/feedback", strings.NewReader(body))
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	l.ServeHTTP(w, r)
	return w
}

func TestReceipt(t *testing.T) {
	w := newWorld(t)
	id := w.id(w.claims(traffic.Canary, "1"))
	body := `[{"id":"` + id + `","label":1.0},{"id":"` + id + `","label":"1"},{"requestId":"order-9","value":2},{"id":"junk","label":true}]`
	got := send(w.ledger, body, "Content-Type", "application/json; charset=utf-8")
	if got.Code != http.StatusAccepted || got.Header().Get("Content-Type") != "application/json" {
		t.Fatalf("%d %s: %s", got.Code, got.Header().Get("Content-Type"), got.Body)
	}
	var receipt Receipt
	if err := json.Unmarshal(got.Body.Bytes(), &receipt); err != nil {
		t.Fatal(err)
	}
	want := Receipt{
		Items:   4,
		Counts:  map[Status]int{Accepted: 1, Duplicate: 1, Unknown: 1, Malformed: 1},
		Results: []Result{{0, Accepted}, {1, Duplicate}, {2, Unknown}, {3, Malformed}},
	}
	if diff := cmp.Diff(want, receipt); diff != "" {
		t.Errorf("receipt (-want +got):\n%s", diff)
	}
	if sum := w.sum(); sum.labelled != 1 || sum.wrong != 0 {
		t.Errorf("%+v", sum)
	}
	lines := `{"id":"` + w.id(w.claims(0, "a")) + `","label":"a"}` + "\n" + `{"id":"` + w.id(w.claims(0, "a")) + `","label":"b"}` + "\n"
	if got := send(w.ledger, lines, "Content-Type", "application/x-ndjson"); got.Code != http.StatusAccepted {
		t.Errorf("one a line: %d %s", got.Code, got.Body)
	}
}

func TestRefusals(t *testing.T) {
	w := newWorld(t)
	w.ledger.opt.MaxBody, w.ledger.opt.MaxItems = 300, 3
	good := `{"id":"` + w.id(w.claims(0, "a")) + `","label":"a"}`
	item := 1
	for name, tt := range map[string]struct {
		body    string
		headers []string
		code    int
		want    refusal
	}{
		"the second item":     {good + `{"id":"a"}`, nil, 400, refusal{"item 1: set exactly one of label and value", &item}},
		"no JSON":             {``, nil, 400, refusal{"the body is empty", nil}},
		"too long":            {strings.Repeat(" ", 301), nil, 413, refusal{"the body has more than 300 bytes: send less at once", nil}},
		"too many":            {strings.Repeat(`{"id":"a","label":1}`, 4), nil, 413, refusal{"too many items: at most 3 in one request", nil}},
		"a form":              {good, []string{"Content-Type", "application/x-www-form-urlencoded"}, 415, refusal{"Content-Type is application/x-www-form-urlencoded: send application/json or application/x-ndjson", nil}},
		"compressed":          {good, []string{"Content-Encoding", "gzip"}, 415, refusal{"Content-Encoding gzip is not read: send plain JSON", nil}},
		"a type without form": {good, []string{"Content-Type", "/;"}, 415, refusal{}},
	} {
		got := send(w.ledger, tt.body, tt.headers...)
		var no refusal
		if err := json.Unmarshal(got.Body.Bytes(), &no); err != nil || got.Code != tt.code {
			t.Errorf("%s: %d %s", name, got.Code, got.Body)
		}
		if tt.want.Error == "" {
			continue
		}
		if diff := cmp.Diff(tt.want, no); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	if w.sum().labelled != 0 {
		t.Error("a part of a refused request was taken")
	}
}

func TestOnlyPost(t *testing.T) {
	w := newWorld(t)
	got := httptest.NewRecorder()
	w.ledger.ServeHTTP(got, httptest.NewRequest(http.MethodGet, "/feedback", nil))
	if got.Code != http.StatusMethodNotAllowed || got.Header().Get("Allow") != http.MethodPost {
		t.Errorf("GET: %d, Allow %q", got.Code, got.Header().Get("Allow"))
	}
}

func TestDatabaseOutOfOrder(t *testing.T) {
	w := newWorld(t)
	var log strings.Builder
	w.ledger.opt.Logger = slog.New(slog.NewTextHandler(&log, nil))
	w.db.Close()
	id := w.id(w.claims(0, "a"))
	got := send(w.ledger, `{"id":"`+id+`","label":"a"}`)
	if got.Code != http.StatusServiceUnavailable || got.Header().Get("Retry-After") == "" {
		t.Errorf("%d %s", got.Code, got.Body)
	}
	if strings.Contains(log.String(), id) || !strings.Contains(log.String(), "not taken") {
		t.Errorf("log: %s", log.String())
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestBodyThatBreaksOff(t *testing.T) {
	w := newWorld(t)
	got := httptest.NewRecorder()
	w.ledger.ServeHTTP(got, httptest.NewRequest(http.MethodPost, "/feedback", broken{}))
	if got.Code != http.StatusBadRequest {
		t.Errorf("%d %s", got.Code, got.Body)
	}
}
