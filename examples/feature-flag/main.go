// Command feature-flag is an application that runs its model in its own process:
// no gateway sees a request. It asks a flag which version a user gets, by
// OpenFeature's remote evaluation protocol, and tells what came of it.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"time"
)

// model is how often what a version recommends is bought, and how often it fails.
type model struct{ bought, failing float64 }

// variants are what the application has as version v2; v1 is the first.
var variants = map[string]model{
	"v1":     {bought: .3},
	"good":   {bought: .35},
	"worse":  {bought: .1},
	"broken": {bought: .3, failing: .4},
}

func main() {
	at := flag.String("flag", "http://127.0.0.1:8016", "address of the flag")
	variant := flag.String("variant", "good", "what v2 is: good, worse or broken")
	rate := flag.Int("rate", 200, "users a second")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	v2, ok := variants[*variant]
	if !ok {
		fmt.Fprintf(os.Stderr, "feature-flag: there is no variant %s: write good, worse or broken\n", *variant)
		os.Exit(2)
	}
	a := &application{flag: *at, models: map[string]model{"v1": variants["v1"], "v2": v2}}
	a.run(ctx, time.Second/time.Duration(max(*rate, 1)))
}

// application recommends to users as its flag tells it to.
type application struct {
	flag   string
	models map[string]model // by version
}

// run serves a user each so often, until ctx ends.
func (a *application) run(ctx context.Context, every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	var all sync.WaitGroup
	defer all.Wait()
	slots := make(chan struct{}, 32) // users at once
	for user := 0; ; user++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		select {
		case slots <- struct{}{}:
			all.Go(func() {
				_ = a.serve(ctx, fmt.Sprint("user-", user)) // the next one may do better
				<-slots
			})
		default: // all are busy
		}
	}
}

// evaluation is what a flag answers.
type evaluation struct {
	Value    string // the version
	Metadata struct {
		PredictionID string `json:"predictionId"`
	}
}

// serve recommends to one user, and tells whether they bought or it failed.
func (a *application) serve(ctx context.Context, user string) error {
	var e evaluation
	question := map[string]any{"context": map[string]any{"targetingKey": user, "staff": false}}
	if err := a.post(ctx, "/ofrep/v1/evaluate/flags/recommender", question, &e); err != nil {
		// An application goes on with what it had before the flag.
		e.Value = "v1"
	}
	m, ok := a.models[e.Value]
	if !ok {
		return fmt.Errorf("the flag says %q: there is no such model", e.Value)
	}
	event := ""
	switch {
	case rand.Float64() < m.failing:
		event = "error"
	case rand.Float64() < m.bought:
		event = "checkout"
	}
	if event == "" || e.Metadata.PredictionID == "" {
		return nil
	}
	return a.post(ctx, "/events", map[string]any{"name": event, "id": e.Metadata.PredictionID}, nil)
}

// post sends v and reads the answer into to, if there is one.
func (a *application) post(ctx context.Context, path string, v, to any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, a.flag+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	switch {
	case err != nil:
		return err
	case resp.StatusCode >= 300:
		return errors.New(resp.Status + ": " + string(text))
	case to == nil:
		return nil
	}
	return json.Unmarshal(text, to)
}
