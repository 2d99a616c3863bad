package inference

import (
	"strings"
	"testing"
)

func TestStreamOpenAIContent(t *testing.T) {
	testStream(t, OpenAI, map[string]streamCase{
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
		"several choices in an event are one": {
			parts: []string{`data: {"choices":[{"text":"a"},{"text":"b"}]}` + "\n\n", done},
			want:  StreamResult{TTFT: 100 * ms, HasTTFT: true, Tokens: 1},
		},
	})
}

func TestStreamOpenAIFailures(t *testing.T) {
	testStream(t, OpenAI, map[string]streamCase{
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
	})
}

func TestStreamOpenAIFraming(t *testing.T) {
	testStream(t, OpenAI, map[string]streamCase{
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
	})
}
