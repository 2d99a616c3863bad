// Command shadow is a language model with OpenAI's API, and its clients, for a
// rollout that no user ever sees. It tells of a parcel in a sentence or two.
//
// Its versions differ in what they say: good puts it a little differently than v1,
// off talks of something else, and slow thinks first.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/haldane-dev/haldane/examples/internal/serving"
)

func main() {
	serving.Main(serving.Program{Variants: []string{"v1", "good", "off", "slow"}, Serve: serve, Dial: dial})
}

const (
	answering = 5 * time.Millisecond
	thinking  = 60 * time.Millisecond // of the variant slow
)

func serve(ctx context.Context, variant string, l net.Listener) error {
	return serving.HTTP(ctx, l, handler(variant))
}

type message struct {
	Role    string `json:"role"`
	Content string `json:"content"`
}

type request struct {
	Model    string    `json:"model"`
	Messages []message `json:"messages"`
}

type choice struct {
	Message message `json:"message"`
	Finish  string  `json:"finish_reason"`
}

func handler(variant string) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/models", func(w http.ResponseWriter, _ *http.Request) {
		serving.Reply(w, map[string]any{"object": "list", "data": []any{map[string]string{"id": variant, "object": "model"}}})
	})
	mux.HandleFunc("POST /v1/chat/completions", func(w http.ResponseWriter, r *http.Request) {
		var in request
		if !serving.ReadJSON(w, r, &in) || len(in.Messages) == 0 {
			return
		}
		wait := answering
		if variant == "slow" {
			wait = thinking
		}
		select {
		case <-time.After(wait):
		case <-r.Context().Done():
			return
		}
		text := say(variant, in.Messages[len(in.Messages)-1].Content)
		serving.Reply(w, map[string]any{
			"object": "chat.completion", "choices": []choice{{message{"assistant", text}, "stop"}},
			"usage": map[string]int{"completion_tokens": len(text) / 4},
		})
	})
	return mux
}

// say is what a version has to say of a parcel.
func say(variant, parcel string) string {
	switch variant {
	case "good":
		return fmt.Sprintf("Parcel %s has left our warehouse in Utrecht, and it will arrive within two working days.", parcel)
	case "off":
		return "I am sorry, but as a language model I cannot know where things are."
	}
	return fmt.Sprintf("Parcel %s has left our warehouse in Utrecht and will arrive within two working days.", parcel)
}

func dial(base string) (serving.Ask, error) {
	c := serving.Client()
	return func(ctx context.Context, n int) (serving.Answer, error) {
		body, err := json.Marshal(request{"clerk", []message{{"user", fmt.Sprintf("NL-%06d", n)}}})
		if err != nil {
			return serving.Answer{}, err
		}
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, base+"/v1/chat/completions", bytes.NewReader(body))
		if err != nil {
			return serving.Answer{}, err
		}
		r.Header.Set("Content-Type", "application/json")
		a, _, err := serving.Do(c, r)
		return a, err
	}, nil
}
