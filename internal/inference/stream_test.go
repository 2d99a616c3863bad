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

// streamCase is a stream in parts, sent as play does, and what it says.
type streamCase struct {
	parts []string
	cut   bool
	want  StreamResult
}

func testStream(t *testing.T, p Protocol, cases map[string]streamCase) {
	t.Helper()
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, play(p, !tc.cut, tc.parts...)); diff != "" {
				t.Errorf("result differs (-want +got):\n%s", diff)
			}
		})
	}
}

func TestStreamOfOtherProtocols(t *testing.T) {
	content := []string{": hi\n\n", "data: {\"token\":\"a\"}\n\n", "data: plain\n\n"}
	testStream(t, Custom, map[string]streamCase{
		"clean": {parts: content, want: StreamResult{TTFT: 110 * ms, HasTTFT: true, TimePerOutputToken: 10 * ms, Tokens: 2}},
		"cut":   {parts: content, cut: true, want: StreamResult{TTFT: 110 * ms, HasTTFT: true, TimePerOutputToken: 10 * ms, Tokens: 2, Failed: true, Reason: ReasonCut}},
		"error": {parts: []string{chatError}, want: StreamResult{Failed: true, Reason: ReasonError, Detail: "CUDA out of memory"}},
		"chat":  {parts: []string{chatRole, chatHello, chatStop}, want: StreamResult{TTFT: 110 * ms, HasTTFT: true, Tokens: 1, Finish: "stop"}},
	})
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
