package inference

import (
	"bytes"
	"math"
	"strings"
	"time"

	"github.com/tidwall/gjson"
)

// Reasons for which a stream counts as failed.
const (
	// ReasonError: the server reported an error inside the stream.
	ReasonError = "error in stream"
	// ReasonCut: the connection ended before the response did.
	ReasonCut = "stream cut short"
	// ReasonUnterminated: the response ended in order, but without the event
	// that its protocol ends with.
	ReasonUnterminated = "no terminal event"
)

// maxDetail is the length to which an error message is cut, in bytes.
const maxDetail = 200

// StreamResult is what a streamed response said.
type StreamResult struct {
	// TTFT is the time from the start of the request to the first event with
	// content; meaningful only if HasTTFT.
	TTFT    time.Duration
	HasTTFT bool
	// TimePerOutputToken is the time from the first content to the last, divided
	// by the tokens after the first; zero when there were not two.
	TimePerOutputToken time.Duration
	// Tokens is the number of tokens produced as the server's usage has it, else
	// the number of events with content.
	Tokens int
	// Usage is true if Tokens came from the server.
	Usage bool
	// Finish is why the model stopped, as the protocol says it ("stop",
	// "length"); empty when it did not say.
	Finish string
	// Failed is true if the response failed although its status was 200, for
	// Reason; Detail is the beginning of the server's own message, if any.
	Failed         bool
	Reason, Detail string
	// Unread is the number of events that had data which could not be read.
	Unread int
	// Text is what was generated, if [Stream.KeepText] asked for it.
	Text string
}

// Prediction is the stream as a prediction, the same that a unary response of
// the protocol gives: the reason to stop as class, the tokens as value. It is
// unread if the stream failed.
func (r StreamResult) Prediction() Prediction {
	if r.Failed {
		return Prediction{}
	}
	return Prediction{
		Class: r.Finish, HasClass: r.Finish != "",
		Value: float64(r.Tokens), HasValue: r.Tokens > 0,
	}
}

// events gathers the meaning of the events of one stream.
type events struct {
	protocol    Protocol
	start       time.Time
	first, last time.Time // of content
	chunks      int
	usage       int
	finish      string
	done        bool // the terminal event was seen
	failed      bool
	detail      string
	unread      int
	clean       []byte // scratch for sanitising
	keeps       bool   // text is kept
	text        []byte // up to MaxText
}

// read takes the data of one event. Nothing counts after the terminal event.
func (e *events) read(now time.Time, data []byte, isError, oversize bool) {
	if e.done {
		return
	}
	if oversize {
		e.unread++
		e.content(now)
		return
	}
	data = bytes.TrimSpace(data)
	if string(data) == "[DONE]" {
		e.done = true
		return
	}
	if len(data) == 0 {
		return
	}
	json, ok := prepare(data, &e.clean)
	switch {
	case isError && !ok:
		e.fail(message(gjson.Result{Type: gjson.String, Str: view(data)}))
	case ok && e.object(now, gjson.Parse(json), isError):
	case e.protocol == OpenAI:
		if !ok {
			e.unread++
		}
	default:
		e.content(now)
	}
}

// object reads an event in JSON. It returns false if the event was none that
// OpenAI's protocols define and none that reports an error.
func (e *events) object(now time.Time, root gjson.Result, isError bool) (known bool) {
	var kind, delta string
	var detail gjson.Result
	root.ForEach(func(key, v gjson.Result) bool {
		switch key.Str {
		case "error":
			if isReport(v) {
				isError = true
				detail = v
			}
		case "message":
			if !detail.Exists() {
				detail = v
			}
		case "choices":
			known = true
			e.choices(now, v)
		case "usage":
			e.tokens(v)
		case "type":
			kind = v.Str
		case "delta":
			delta = v.Str
		case "response":
			if report := e.response(v); isReport(report) {
				detail = report
			}
		}
		return true
	})
	if isError || kind == "error" || kind == "response.failed" {
		e.fail(message(detail))
		return true
	}
	if !strings.HasPrefix(kind, "response.") {
		return known
	}
	switch {
	case kind == "response.completed" || kind == "response.incomplete":
		e.done = true
	case strings.HasSuffix(kind, ".delta") && delta != "":
		e.content(now)
		if kind == "response.output_text.delta" {
			e.keep(delta)
		}
	}
	return true
}

// choices reads the choices of a completion chunk.
func (e *events) choices(now time.Time, v gjson.Result) {
	content := false
	v.ForEach(func(_, choice gjson.Result) bool {
		if e.keeps && choice.Get("index").Num == 0 {
			e.keep(choice.Get("text").Str)
			e.keep(choice.Get("delta.content").Str)
		}
		choice.ForEach(func(key, v gjson.Result) bool {
			switch key.Str {
			case "finish_reason":
				if v.Type == gjson.String && v.Str != "" {
					e.finish = constant(v.Str)
				}
			case "text":
				content = content || v.Str != ""
			case "delta":
				content = content || hasContent(v)
			}
			return true
		})
		return true
	})
	if content {
		e.content(now)
	}
}

// hasContent reports whether a chat delta brings anything besides the role:
// text, reasoning, a refusal, or part of a call.
func hasContent(delta gjson.Result) (found bool) {
	delta.ForEach(func(key, v gjson.Result) bool {
		switch {
		case key.Str == "role":
		case v.Type == gjson.String:
			found = v.Str != ""
		case v.Type == gjson.JSON:
			found = len(v.Raw) > len("[]")
		}
		return !found
	})
	return found
}

// response reads the object inside an event of the responses API and returns
// its error member.
func (e *events) response(v gjson.Result) (report gjson.Result) {
	v.ForEach(func(key, v gjson.Result) bool {
		switch key.Str {
		case "status":
			if v.Str == "completed" || v.Str == "incomplete" {
				e.finish = constant(v.Str)
			}
		case "usage":
			e.tokens(v)
		case "error":
			report = v
		}
		return true
	})
	return report
}

func (e *events) tokens(usage gjson.Result) {
	if n, ok := outputTokens(usage); ok {
		e.usage = n
	}
}

func (e *events) content(now time.Time) {
	if e.chunks == 0 {
		e.first = now
	}
	e.chunks++
	e.last = now
}

// keep adds to the text, if it is kept.
func (e *events) keep(part string) {
	if e.keeps {
		room := MaxText - len(e.text)
		e.text, e.keeps = append(e.text, cut(part, room)...), len(part) <= room
	}
}

// fail ends the stream: nothing after an error is content.
func (e *events) fail(detail string) { e.failed, e.done, e.detail = true, true, detail }

func (e *events) result(clean bool) StreamResult {
	r := StreamResult{
		Tokens: e.chunks, Finish: e.finish, Unread: e.unread,
		HasTTFT: e.chunks > 0, Failed: e.failed, Detail: e.detail,
		Text: strings.ToValidUTF8(string(e.text), "\uFFFD"),
	}
	if e.usage > 0 {
		r.Tokens, r.Usage = e.usage, true
	}
	if r.HasTTFT {
		r.TTFT = e.first.Sub(e.start)
	}
	if e.chunks > 1 && r.Tokens > 1 {
		r.TimePerOutputToken = e.last.Sub(e.first) / time.Duration(r.Tokens-1)
	}
	switch {
	case e.failed:
		r.Reason = ReasonError
	case e.done:
	case !clean:
		r.Failed, r.Reason = true, ReasonCut
	case e.protocol == OpenAI:
		r.Failed, r.Reason = true, ReasonUnterminated
	}
	return r
}

// outputTokens finds the number of tokens produced in a usage object.
func outputTokens(usage gjson.Result) (n int, ok bool) {
	usage.ForEach(func(key, v gjson.Result) bool {
		if key.Str == "completion_tokens" || key.Str == "output_tokens" {
			if v.Type == gjson.Number && v.Num >= 0 && v.Num < math.MaxInt32 {
				n, ok = int(v.Num), true
			}
		}
		return !ok
	})
	return n, ok
}

// isReport reports whether the value of a member "error" tells of an error;
// some servers always send the member, empty.
func isReport(v gjson.Result) bool {
	return v.IsObject() || v.Type == gjson.String && v.Str != "" || v.Type == gjson.True
}

// message is the beginning of what an error object, or error string, says.
func message(v gjson.Result) string {
	if v.IsObject() {
		v = v.Get("message")
	}
	return strings.Clone(cut(strings.ToValidUTF8(v.String(), "\uFFFD"), maxDetail))
}
