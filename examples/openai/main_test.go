package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/haldane-dev/haldane/internal/inference"
)

func TestItAdds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.Int64Range(0, 999_999_999_999).Draw(t, "a"), rapid.Int64Range(0, 999_999_999_999).Draw(t, "b")
		words := rapid.IntRange(1, 2).Draw(t, "words")
		got := strings.Join(explain(fmt.Sprintf("What is %d + %d?", a, b), words), "")
		if !strings.HasSuffix(got, fmt.Sprintf(" so it is %d.", a+b)) {
			t.Errorf("%d + %d: %s", a, b, got)
		}
	})
}

func TestHowItAdds(t *testing.T) {
	for question, want := range map[string]string{
		"What is 17 + 25?":      "17 + 25: 7 and 5 are 12, carry 1; 1 and 2 and 1 are 4; so it is 42.",
		"1+1, and then 20 + 3?": "20 + 3: 0 and 3 are 3; 2 and 0 are 2; so it is 23.",
		"Who are you?":          "I can only add: ask me for a sum, like 17 + 25.",
	} {
		if got := strings.Join(explain(question, 1), ""); got != want {
			t.Errorf("%s\n%s\nwant\n%s", question, got, want)
		}
	}
}

// ask returns the answer of a variant to one question.
func ask(t *testing.T, variant string, q request) *httptest.ResponseRecorder {
	t.Helper()
	body, err := json.Marshal(q)
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	handler(variant).ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/v1/chat/completions", strings.NewReader(string(body))))
	return w
}

func streamed(t *testing.T, w *httptest.ResponseRecorder) inference.StreamResult {
	t.Helper()
	if !inference.IsEventStream(w.Header().Get("Content-Type")) {
		t.Fatalf("answered with %v: %s", w.Header(), w.Body)
	}
	s := inference.NewStream(inference.OpenAI)
	now := time.Unix(0, 0)
	s.Start(now)
	s.Write(now.Add(time.Second), w.Body.Bytes())
	return s.Close(now.Add(time.Second), true)
}

var sum = []message{{"user", "What is 4317 + 7825?"}}

func TestStreamsAreRead(t *testing.T) {
	n := len(explain(sum[0].Content, 1))
	for _, usage := range []bool{false, true} {
		q := request{Stream: true, Messages: sum}
		q.Options.Usage = usage
		got := streamed(t, ask(t, "v1", q))
		if got.Failed || got.Unread > 0 || got.Finish != "stop" || got.Tokens != n || got.Usage != usage || !got.HasTTFT {
			t.Errorf("usage %t: read %+v, want %d tokens and then stop", usage, got, n)
		}
	}
	if got := streamed(t, ask(t, "v1", request{Stream: true, Messages: sum, MaxToken: 5})); got.Finish != "length" || got.Tokens != 5 {
		t.Errorf("at most 5 tokens: read %+v", got)
	}
	if got := streamed(t, ask(t, "wordy", request{Stream: true, Messages: sum})); got.Tokens < 3*n/2 {
		t.Errorf("wordy: %d tokens, where v1 says %d", got.Tokens, n)
	}
	if got := streamed(t, ask(t, "cut", request{Stream: true, Messages: sum})); got.Reason != inference.ReasonUnterminated {
		t.Errorf("cut: read %+v, want %q", got, inference.ReasonUnterminated)
	}
}

func TestWholeAnswersAreRead(t *testing.T) {
	reader, err := inference.New(inference.Options{})
	if err != nil {
		t.Fatal(err)
	}
	w := ask(t, "v1", request{Messages: sum})
	got, ok := reader.Read(nil, inference.OpenAI, nil, w.Body.Bytes(), w.Header().Get("Content-Type"))
	if n := float64(len(explain(sum[0].Content, 1))); !ok || len(got) != 1 || got[0].Class != "stop" || got[0].Value != n {
		t.Errorf("read %+v of %s, want stop after %v tokens", got, w.Body, n)
	}
	if w := ask(t, "v1", request{}); w.Code != http.StatusBadRequest {
		t.Errorf("without messages: status %d, want 400", w.Code)
	}
}
