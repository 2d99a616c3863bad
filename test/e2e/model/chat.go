package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
)

// letters are what the model writes to a customer of each class, and how sure it is.
var letters = map[string]string{
	"no": "Thank you for staying with us. Your contract goes on as it is, nothing has to be done, and the next bill " +
		"comes at the end of the month. (%.0f%%)",
	"yes": "We would be sorry to lose you! Call us today, ask for a free technician, or take two years at a tenth less: " +
		"whatever bothers you, tell our team. (%.0f%%)",
}

// chat answers by OpenAI's protocol, with the letter to the customer whom the last
// message describes by the Open Inference Protocol.
func (m *model) chat(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Messages []struct{ Content string }
	}
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20)).Decode(&in); err != nil || len(in.Messages) == 0 {
		http.Error(w, fmt.Sprintf("want a message with a customer: %v", err), http.StatusBadRequest)
		return
	}
	customer := []byte(in.Messages[len(in.Messages)-1].Content)
	status, body := m.answer(httptest.NewRequestWithContext(r.Context(), http.MethodPost, "/v2/models/churn/infer", bytes.NewReader(customer)))
	if labels, sure := output(body, "label"), output(body, "probability"); status == http.StatusOK && len(labels) == 1 && len(sure) == 1 {
		p, _ := strconv.ParseFloat(sure[0], 64) // the model's own number
		body, _ = json.Marshal(map[string]any{  // of strings alone
			"object": "chat.completion", "model": m.version,
			"choices": []any{map[string]any{
				"index": 0, "finish_reason": "stop",
				"message": map[string]string{"role": "assistant", "content": fmt.Sprintf(letters[labels[0]], 100*p)},
			}},
		})
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client may be gone; nobody is left to tell
}
