package inference

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var streamStart = time.Date(2026, 11, 23, 9, 30, 0, 0, time.UTC)

// Parts of a stream of chat completions as servers send it.
const (
	chatRole  = `data: {"id":"c","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}` + "\n\n"
	chatHello = `data: {"choices":[{"index":0,"delta":{"content":"Hello"},"finish_reason":null}]}` + "\n\n"
	chatWorld = `data: {"choices":[{"index":0,"delta":{"content":" world"},"finish_reason":null}]}` + "\n\n"
	chatStop  = `data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}` + "\n\n"
	chatUsage = `data: {"choices":[],"usage":{"prompt_tokens":5,"completion_tokens":9}}` + "\n\n"
	chatError = `data: {"error":{"message":"CUDA out of memory","type":"server_error"}}` + "\n\n"
	chatPing  = ": ping\n\n"
	done      = "data: [DONE]\n\n"
	wholeChat = chatRole + chatPing + chatHello + chatWorld + chatStop + done
)

// play gives each part to a stream, the first 100 ms after the start and the
// others 10 ms after one another.
func play(p Protocol, clean bool, parts ...string) StreamResult {
	s := NewStream(p)
	s.Start(streamStart)
	now := streamStart.Add(90 * time.Millisecond)
	for _, part := range parts {
		now = now.Add(10 * time.Millisecond)
		s.Write(now, []byte(part))
	}
	return s.Close(now, clean)
}

const ms = time.Millisecond

func TestStreamOpenAI(t *testing.T) {
	for name, tc := range map[string]struct {
		parts []string
		cut   bool
		want  StreamResult
	}{
		"chat": {
			parts: []string{chatRole, chatPing, chatHello, chatWorld, chatStop, done},
			want:  StreamResult{TTFT: 120 * ms, HasTTFT: true, TimePerOutputToken: 10 * ms, Tokens: 2, Finish: "stop"},
		},
		"usage": {
			parts: []string{chatRole, chatHello, chatPing, chatPing, chatPing, chatWorld, chatStop, chatUsage, done},
			want:  StreamResult{TTFT: 110 * ms, HasTTFT: true, TimePerOutputToken: 5 * ms, Tokens: 9, Usage: true, Finish: "stop"},
		},
		"completion": {
			parts: []string{`data: {"choices":[{"text":"a"}]}` + "\n\n", `data: {"choices":[{"text":"","finish_reason":"length"}]}` + "\n\n", done},
			want:  StreamResult{TTFT: 100 * ms, HasTTFT: true, Tokens: 1, Finish: "length"},
		},
		"tool call": {
			parts: []string{`data: {"choices":[{"delta":{"role":"assistant","content":null,"tool_calls":[]}}]}` + "\n\n",
				`data: {"choices":[{"delta":{"tool_calls":[{"index":0}]}}]}` + "\n\n", `data: {"choices":[{"delta":{},"finish_reason":"tool_calls"}]}` + "\n\n", done},
			want: StreamResult{TTFT: 110 * ms, HasTTFT: true, Tokens: 1, Finish: "tool_calls"},
		},
		"reasoning": {
			parts: []string{`data: {"choices":[{"delta":{"role":"assistant","reasoning_content":"hm"}}]}` + "\n\n", done},
			want:  StreamResult{TTFT: 100 * ms, HasTTFT: true, Tokens: 1},
		},
		"responses": {
			parts: []string{"event: response.created\n" + `data: {"type":"response.created","response":{"status":"in_progress","error":null,"usage":null}}` + "\n\n",
				"event: response.output_text.delta\n" + `data: {"type":"response.output_text.delta","delta":"Hi"}` + "\n\n",
				"event: response.output_text.done\n" + `data: {"type":"response.output_text.done","text":"Hi"}` + "\n\n",
				"event: response.completed\n" + `data: {"type":"response.completed","response":{"status":"completed","usage":{"output_tokens":4}}}` + "\n\n"},
			want: StreamResult{TTFT: 110 * ms, HasTTFT: true, Tokens: 4, Usage: true, Finish: "completed"},
		},
		"responses failed": {
			parts: []string{`data: {"type":"response.failed","response":{"status":"failed","error":{"code":"server_error","message":"no"}}}` + "\n\n"},
			want:  StreamResult{Failed: true, Reason: ReasonError, Detail: "no"},
		},
		"error event of responses": {
			parts: []string{`data: {"type":"error","code":"x","message":"rate limit"}` + "\n\n"},
			want:  StreamResult{Failed: true, Reason: ReasonError, Detail: "rate limit"},
		},
		"error inside": {
			parts: []string{chatRole, chatHello, chatError, chatWorld, done},
			want:  StreamResult{TTFT: 110 * ms, HasTTFT: true, Tokens: 1, Failed: true, Reason: ReasonError, Detail: "CUDA out of memory"},
		},
		"error first, then [DONE]": {
			parts: []string{chatError, done},
			want:  StreamResult{Failed: true, Reason: ReasonError, Detail: "CUDA out of memory"},
		},
		"error as text": {
			parts: []string{`data: {"error":"overloaded"}` + "\n\n"},
			want:  StreamResult{Failed: true, Reason: ReasonError, Detail: "overloaded"},
		},
		"event named error": {
			parts: []string{"event: error\ndata: overloaded\n\n"},
			want:  StreamResult{Failed: true, Reason: ReasonError, Detail: "overloaded"},
		},
		"event named error, JSON": {
			parts: []string{"event: error\n" + `data: {"message":"overloaded"}` + "\n\n"},
			want:  StreamResult{Failed: true, Reason: ReasonError, Detail: "overloaded"},
		},
		"no error though the member is there": {
			parts: []string{`data: {"error":null,"choices":[{"text":"a"}]}` + "\n\n", `data: {"error":"","choices":[]}` + "\n\n", done},
			want:  StreamResult{TTFT: 100 * ms, HasTTFT: true, Tokens: 1},
		},
		"no [DONE]": {
			parts: []string{chatRole, chatHello, chatStop},
			want:  StreamResult{TTFT: 110 * ms, HasTTFT: true, Tokens: 1, Finish: "stop", Failed: true, Reason: ReasonUnterminated},
		},
		"cut short": {
			parts: []string{chatRole, chatHello, chatWorld[:30]}, cut: true,
			want: StreamResult{TTFT: 110 * ms, HasTTFT: true, Tokens: 1, Unread: 1, Failed: true, Reason: ReasonCut},
		},
		"cut after [DONE]": {
			parts: []string{chatHello, done}, cut: true,
			want: StreamResult{TTFT: 100 * ms, HasTTFT: true, Tokens: 1},
		},
		"[DONE] without its blank line": {
			parts: []string{chatHello, "data: [DONE]"},
			want:  StreamResult{TTFT: 100 * ms, HasTTFT: true, Tokens: 1},
		},
		"nothing after [DONE]": {
			parts: []string{done, chatHello, chatError},
			want:  StreamResult{},
		},
		"empty": {want: StreamResult{Failed: true, Reason: ReasonUnterminated}},
		"no JSON": {
			parts: []string{"data: hello\n\n", done},
			want:  StreamResult{Unread: 1},
		},
		"several data lines": {
			parts: []string{"data: {\"choices\":[\ndata: {\"text\":\"a\"}]}\n\n", done},
			want:  StreamResult{TTFT: 100 * ms, HasTTFT: true, Tokens: 1},
		},
		"several data lines, carriage returns": {
			parts: []string{"data: {\"choices\":[\r\ndata: {\"text\":\"a\"}]}\r\n\r\n", "data: {\"choices\":[\rdata: {\"text\":\"a\"}]}\r\r", done},
			want:  StreamResult{TTFT: 100 * ms, HasTTFT: true, TimePerOutputToken: 10 * ms, Tokens: 2},
		},
		"carriage returns": {
			parts: []string{strings.ReplaceAll(chatHello, "\n", "\r"), strings.ReplaceAll(chatWorld+done, "\n", "\r\n")},
			want:  StreamResult{TTFT: 100 * ms, HasTTFT: true, TimePerOutputToken: 10 * ms, Tokens: 2},
		},
		"byte order mark, no space, other fields": {
			parts: []string{"\xef\xbb\xbfdata:" + chatHello[6:], "id: 1\nretry: 5\ndata\nnonsense\n\n", "datax: y\n\n", done},
			want:  StreamResult{TTFT: 100 * ms, HasTTFT: true, Tokens: 1},
		},
		"several choices in an event are one": {
			parts: []string{`data: {"choices":[{"text":"a"},{"text":"b"}]}` + "\n\n", done},
			want:  StreamResult{TTFT: 100 * ms, HasTTFT: true, Tokens: 1},
		},
		"NaN inside": {
			parts: []string{`data: {"choices":[{"text":"a","logprobs":NaN}]}` + "\n\n", done},
			want:  StreamResult{TTFT: 100 * ms, HasTTFT: true, Tokens: 1},
		},
		"keep-alive object": {
			parts: []string{`data: {"ping":1}` + "\n\n", done},
			want:  StreamResult{},
		},
		"an event too large to read is content": {
			parts: []string{"data: {\"choices\":[{\"text\":\"" + strings.Repeat("x", maxEvent) + "\"}]}\n\n", done},
			want:  StreamResult{TTFT: 100 * ms, HasTTFT: true, Tokens: 1, Unread: 1},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, play(OpenAI, !tc.cut, tc.parts...)); diff != "" {
				t.Errorf("result differs (-want +got):\n%s", diff)
			}
		})
	}
}

func TestStreamOfOtherProtocols(t *testing.T) {
	content := []string{": hi\n\n", "data: {\"token\":\"a\"}\n\n", "data: plain\n\n"}
	for name, tc := range map[string]struct {
		parts []string
		cut   bool
		want  StreamResult
	}{
		"clean": {parts: content, want: StreamResult{TTFT: 110 * ms, HasTTFT: true, TimePerOutputToken: 10 * ms, Tokens: 2}},
		"cut":   {parts: content, cut: true, want: StreamResult{TTFT: 110 * ms, HasTTFT: true, TimePerOutputToken: 10 * ms, Tokens: 2, Failed: true, Reason: ReasonCut}},
		"error": {parts: []string{chatError}, want: StreamResult{Failed: true, Reason: ReasonError, Detail: "CUDA out of memory"}},
		"chat":  {parts: []string{chatRole, chatHello, chatStop}, want: StreamResult{TTFT: 110 * ms, HasTTFT: true, Tokens: 1, Finish: "stop"}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, play(Custom, !tc.cut, tc.parts...)); diff != "" {
				t.Errorf("result differs (-want +got):\n%s", diff)
			}
		})
	}
}

func TestStreamWithoutStartCountsFromFirstWrite(t *testing.T) {
	s := NewStream(OpenAI)
	s.Write(streamStart, []byte(chatRole))
	s.Write(streamStart.Add(30*ms), []byte(chatHello))
	if got := s.Close(streamStart.Add(time.Second), true); got.TTFT != 30*ms {
		t.Errorf("TTFT = %v, want 30ms", got.TTFT)
	}
}

func TestStreamPrediction(t *testing.T) {
	for _, tc := range []struct {
		r    StreamResult
		want Prediction
	}{
		{StreamResult{Finish: "stop", Tokens: 9}, class("stop").val(9)},
		{StreamResult{Tokens: 9}, value(9)},
		{StreamResult{Finish: "stop", Tokens: 9, Failed: true}, unread},
		{StreamResult{}, unread},
	} {
		if got := tc.r.Prediction(); got != tc.want {
			t.Errorf("prediction of %+v = %+v", tc.r, got)
		}
	}
}

func TestStreamDetailIsBounded(t *testing.T) {
	got := play(OpenAI, true, `data: {"error":{"message":"`+strings.Repeat("é", maxDetail)+"\"}}\n\n")
	if len(got.Detail) != maxDetail {
		t.Errorf("detail has %d bytes, want %d", len(got.Detail), maxDetail)
	}
}

// The memory of a stream does not grow with what it is sent.
func TestStreamMemoryIsBounded(t *testing.T) {
	s := NewStream(OpenAI)
	chunk := []byte(strings.Repeat("x", 64<<10))
	for range 64 {
		s.Write(streamStart, chunk)
	}
	for range 64 {
		s.Write(streamStart, append([]byte("data: "), append(chunk, '\n')...))
	}
	if held := cap(s.line) + cap(s.data); held > 3*maxEvent {
		t.Errorf("%d bytes held for lines of no end, want at most %d", held, 3*maxEvent)
	}
}

// split cuts s into chunks of random sizes, some of them empty.
func split(s string, rnd *rand.Rand) (parts []string) {
	for s != "" {
		n := min(rnd.IntN(12), len(s))
		if rnd.IntN(8) == 0 {
			n = min(rnd.IntN(500), len(s))
		}
		parts, s = append(parts, s[:n]), s[n:]
	}
	return parts
}

// playAt gives all parts to a stream at one moment.
func playAt(p Protocol, clean bool, parts []string) StreamResult {
	s := NewStream(p)
	for _, part := range parts {
		s.Write(streamStart, []byte(part))
	}
	return s.Close(streamStart, clean)
}

func TestAnySplitGivesTheSameResult(t *testing.T) {
	pieces := []string{chatRole, chatHello, chatWorld, chatStop, chatUsage, chatPing, done, chatError,
		"data: {\"choices\":[\ndata: {\"text\":\"a\"}]}\n\n", "event: error\ndata: x\n\n", "data\n\n",
		"data: {\"choices\":[\r\ndata: {\"text\":\"a\"}]}\r\n\r\n", "\r\n", "\r", "\xef\xbb\xbf",
		strings.ReplaceAll(chatHello, "\n", "\r\n"), strings.ReplaceAll(chatWorld, "\n", "\r"), "data: {", "id: 7\n", "é\n"}
	rapid.Check(t, func(t *rapid.T) {
		stream := strings.Join(rapid.SliceOfN(rapid.SampledFrom(pieces), 0, 12).Draw(t, "pieces"), "")
		p := rapid.SampledFrom([]Protocol{OpenAI, Custom}).Draw(t, "protocol")
		clean := rapid.Bool().Draw(t, "clean")
		parts := split(stream, rand.New(rand.NewPCG(1, rapid.Uint64().Draw(t, "seed"))))
		want := playAt(p, clean, []string{stream})
		if diff := cmp.Diff(want, playAt(p, clean, parts)); diff != "" {
			t.Fatalf("%q split as %q gives another result (-whole +split):\n%s", stream, parts, diff)
		}
	})
}

// Every place to split a chat once, exhaustively.
func TestEverySplitOfAChat(t *testing.T) {
	want := playAt(OpenAI, true, []string{wholeChat})
	if want.Failed || want.Tokens != 2 {
		t.Fatalf("the whole chat gives %+v", want)
	}
	for i := range len(wholeChat) {
		if diff := cmp.Diff(want, playAt(OpenAI, true, []string{wholeChat[:i], wholeChat[i:]})); diff != "" {
			t.Fatalf("split at %d (-whole +split):\n%s", i, diff)
		}
	}
}

func TestSplitAtTheLimitOfALine(t *testing.T) {
	for _, size := range []int{maxEvent - 8, maxEvent - 7, maxEvent - 6, maxEvent - 1, maxEvent, maxEvent + 1} {
		for _, field := range []string{"data: ", "event: error", "other: ", "dat"} {
			line := field + strings.Repeat("x", size-len(field))
			stream := line + "\ndata: x\n\n" + done
			want := playAt(Custom, true, []string{stream})
			for _, at := range []int{1, 5, 6, 7, 12, size / 2, size - 1, size, size + 1} {
				if diff := cmp.Diff(want, playAt(Custom, true, []string{stream[:at], stream[at:]})); diff != "" {
					t.Errorf("line of %d bytes %q…, split at %d (-whole +split):\n%s", size, field, at, diff)
				}
			}
		}
	}
}

func TestStreamReadsWithoutAllocating(t *testing.T) {
	s := NewStream(OpenAI)
	chunks := [][]byte{[]byte(chatHello + chatWorld[:40]), []byte(chatWorld[40:] + chatStop)}
	read := func() {
		for _, c := range chunks {
			s.Write(streamStart, c)
		}
	}
	read()
	if n := testing.AllocsPerRun(200, read); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if got := s.Close(streamStart, true); got.Tokens < 2 || got.Unread != 0 {
		t.Errorf("result %+v", got)
	}
}

func FuzzStream(f *testing.F) {
	f.Add([]byte(wholeChat), uint64(1), true)
	f.Add([]byte(chatRole+chatError), uint64(2), true)
	f.Add([]byte(strings.ReplaceAll(wholeChat, "\n", "\r\n")), uint64(3), false)
	f.Add([]byte("\xef\xbb\xbfdata: {\ndata: }\r\rdata"), uint64(4), false)
	f.Add(fmt.Appendf(nil, "event: error\ndata: %s\n\n", deep(70)), uint64(5), true)
	f.Fuzz(func(t *testing.T, body []byte, seed uint64, clean bool) {
		for _, p := range []Protocol{OpenAI, Custom} {
			want := playAt(p, clean, []string{string(body)})
			got := playAt(p, clean, split(string(body), rand.New(rand.NewPCG(1, seed))))
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("split gives another result (-whole +split):\n%s", diff)
			}
			if want.Failed != (want.Reason != "") || want.HasTTFT != (want.Tokens > 0) && !want.Usage {
				t.Fatalf("contradictory result %+v", want)
			}
		}
	})
}
