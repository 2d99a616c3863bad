package app

import (
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/haldane-dev/haldane/api/v1alpha1"
	"github.com/haldane-dev/haldane/internal/gateway"
	"github.com/haldane-dev/haldane/internal/gateway/ofrep"
)

// newFlag builds the gateway of a rollout by flag: it decides as any other, and
// forwards nothing.
func newFlag(m *v1alpha1.ModelRollout, to counting, log *slog.Logger) (*gateway.Gateway, error) {
	f := m.Spec.Routing.Flag
	mux := http.NewServeMux()
	_, date := steady()
	g, err := gateway.New(gateway.Config{
		Recorder: to.recorder, Codec: to.codec, Own: ofrep.Guard(to.token, mux), Countries: true, Date: date, Logger: log,
		OnPrediction: func(e gateway.PredictionEvent) { to.ledger.Answered(prediction(e)) },
	})
	if err != nil {
		return nil, fmt.Errorf("spec.routing.flag: %w", err)
	}
	mux.Handle("/", ofrep.New(ofrep.Config{Key: f.Key, Decider: g}))
	mux.Handle(gateway.DefaultFeedbackPath, to.feedback)
	if to.events != nil {
		mux.Handle(gateway.DefaultEventsPath, to.events)
	}
	return g, nil
}

// tokenEvery is how often the file with a flag's token is looked at: it changes
// when people change the Secret.
const tokenEvery = 5 * time.Second

// tokenFile returns the token that a file holds now. One that cannot be read any
// more stays what it was.
func tokenFile(path string, now func() time.Time, log *slog.Logger) (func() string, error) {
	read := func() (string, error) {
		text, err := os.ReadFile(path)
		if err != nil {
			return "", fmt.Errorf("read what callers of the flag must present: %w", err)
		}
		token, err := trimmed(string(text), path)
		return string(token), err
	}
	token, err := read()
	if err != nil {
		return nil, err
	}
	var mu sync.Mutex
	looked := now()
	return func() string {
		mu.Lock()
		defer mu.Unlock()
		if at := now(); at.Sub(looked) >= tokenEvery {
			looked = at
			next, err := read()
			if err != nil {
				log.Warn("the flag's token stays what it was", "error", err)
				return token
			}
			token = next
		}
		return token
	}, nil
}
