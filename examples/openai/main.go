// Command openai is a model server with OpenAI's API, and its clients. It
// answers POST /v1/chat/completions, at once or as a stream of tokens, and the
// only thing that it can do is add: "What is 17 + 25?"
//
// Its versions differ in how they answer. good is v1 again; slow thinks before it
// says the first token; wordy says too much; cut loses its longer streams after
// twenty tokens, without a word about it.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/haldane-dev/haldane/examples/internal/serving"
)

func main() {
	serving.Main(serving.Program{Variants: []string{"v1", "good", "slow", "wordy", "cut"}, Serve: serve, Dial: dial})
}

const (
	firstToken = 2 * time.Millisecond
	nextToken  = 500 * time.Microsecond
	thinking   = 150 * time.Millisecond // of the variant slow
	cutAfter   = 20                     // tokens, of the variant cut
)

func serve(ctx context.Context, variant string, l net.Listener) error {
	return serving.HTTP(ctx, l, handler(variant))
}

// request is the part of OpenAI's that is understood.
type request struct {
	Model    string    `json:"model"`
	Messages []message `json:"messages"`
	Stream   bool      `json:"stream,omitempty"`
	MaxToken int       `json:"max_tokens,omitempty"`
	Options  struct {
		Usage bool `json:"include_usage,omitempty"`
	} `json:"stream_options,omitzero"`
}

type message struct {
	Role    string `json:"role,omitempty"`
	Content string `json:"content,omitempty"`
}

type usage struct {
	Completion int `json:"completion_tokens"`
}

// completion is an answer, or one part of a stream.
type completion struct {
	Object  string   `json:"object"`
	Model   string   `json:"model"`
	Choices []choice `json:"choices"`
	Usage   *usage   `json:"usage,omitempty"`
}

type choice struct {
	Index   int      `json:"index"`
	Message *message `json:"message,omitempty"`
	Delta   *message `json:"delta,omitempty"`
	Finish  *string  `json:"finish_reason"`
}

func handler(variant string) http.Handler {
	words := 1
	if variant == "wordy" {
		words = 2
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/models", func(w http.ResponseWriter, _ *http.Request) {
		serving.Reply(w, map[string]any{"object": "list", "data": []any{map[string]string{"id": variant, "object": "model"}}})
	})
	mux.HandleFunc("POST /v1/chat/completions", func(w http.ResponseWriter, r *http.Request) {
		var in request
		if !serving.ReadJSON(w, r, &in) {
			return
		}
		if len(in.Messages) == 0 {
			serving.Fail(w, http.StatusBadRequest, errors.New("messages is empty"))
			return
		}
		say, finish := explain(in.Messages[len(in.Messages)-1].Content, words), "stop"
		if in.MaxToken > 0 && len(say) > in.MaxToken {
			say, finish = say[:in.MaxToken], "length"
		}
		a := answer{request: in, say: say, finish: finish, cut: variant == "cut" && len(say) > cutAfter}
		if variant == "slow" {
			sleep(r.Context(), thinking)
		}
		if in.Stream {
			a.stream(r.Context(), w)
			return
		}
		a.whole(r.Context(), w)
	})
	return mux
}

// answer is what is said to one request.
type answer struct {
	request
	say    []string
	finish string
	cut    bool
}

// whole answers when everything has been said.
func (a answer) whole(ctx context.Context, w http.ResponseWriter) {
	sleep(ctx, firstToken+time.Duration(len(a.say))*nextToken)
	text := ""
	for _, token := range a.say {
		text += token
	}
	serving.Reply(w, completion{Object: "chat.completion", Model: a.Model, Usage: &usage{len(a.say)},
		Choices: []choice{{Message: &message{"assistant", text}, Finish: &a.finish}}})
}

// stream answers with an event for each token. The client may go away meanwhile:
// writing then fails, and nobody is left to tell.
func (a answer) stream(ctx context.Context, w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/event-stream")
	part := completion{Object: "chat.completion.chunk", Model: a.Model}
	part.Choices = []choice{{Delta: &message{Role: "assistant"}}}
	event(w, part)
	sleep(ctx, firstToken)
	for i, token := range a.say {
		if a.cut && i == cutAfter {
			return
		}
		part.Choices = []choice{{Delta: &message{Content: token}}}
		event(w, part)
		sleep(ctx, nextToken)
	}
	part.Choices = []choice{{Delta: &message{}, Finish: &a.finish}}
	event(w, part)
	if a.Options.Usage {
		part.Choices, part.Usage = []choice{}, &usage{len(a.say)}
		event(w, part)
	}
	_, _ = io.WriteString(w, "data: [DONE]\n\n")
}

func event(w http.ResponseWriter, part completion) {
	body, err := json.Marshal(part)
	if err != nil {
		panic(err) // it holds texts and numbers
	}
	_, _ = fmt.Fprintf(w, "data: %s\n\n", body)
	_ = http.NewResponseController(w).Flush()
}

func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// dial returns clients that ask for sums of one to four digits: three of four
// times for a stream, of these two of three times with the tokens counted.
func dial(base string) (serving.Ask, error) {
	c := serving.Client()
	return func(ctx context.Context, n int) (serving.Answer, error) {
		limit := [...]int{10, 100, 1000, 10000}[n/4%4]
		q := request{Model: "sums", Stream: n%4 != 0, MaxToken: 60, Messages: []message{
			{"user", fmt.Sprintf("What is %d + %d?", n*7919%limit, n*104729%limit)},
		}}
		q.Options.Usage = q.Stream && n%4 != 1
		r, err := serving.NewPost(ctx, base+"/v1/chat/completions", q)
		if err != nil {
			return serving.Answer{}, err
		}
		a, _, err := serving.Do(c, r)
		return a, err
	}, nil
}
