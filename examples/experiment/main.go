// Command experiment is a shop. As a server it recommends a product, better or
// worse by its version; as a crowd of clients it asks for recommendations through
// the gateway, buys what it likes, and says so with POST /events.
package main

import (
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
	"strings"
	"sync"
	"time"
)

// versions are how often a recommendation of each is bought, and how often it
// fails.
var versions = map[string]struct{ bought, failing float64 }{
	"v1": {.20, 0},
	"v2": {.21, 0},
	"v3": {.40, 0},
	"v4": {.30, .6},
}

// answer is a recommendation by the Open Inference Protocol. The product tells
// what it is worth, so that the crowd knows what to buy.
const answer = `{"model_name":"recommender","outputs":[{"name":"product","datatype":"BYTES","shape":[1],"data":[%q]}]}`

func main() {
	variant := flag.String("variant", "v1", "version to serve: v1, v2, v3 or v4")
	listen := flag.String("listen", "127.0.0.1:9001", "address to serve at")
	send := flag.String("send", "", "send requests and events to this gateway instead")
	rate := flag.Int("rate", 200, "requests a second")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	err := error(nil)
	if *send != "" {
		crowd(ctx, *send, time.Second/time.Duration(max(*rate, 1)))
	} else {
		err = serve(ctx, *variant, *listen)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "experiment:", err)
		os.Exit(1)
	}
}

func serve(ctx context.Context, variant, listen string) error {
	if _, ok := versions[variant]; !ok {
		return fmt.Errorf("there is no version %s: write v1, v2, v3 or v4", variant)
	}
	s := &http.Server{Addr: listen, Handler: shop(variant), ReadHeaderTimeout: 5 * time.Second}
	context.AfterFunc(ctx, func() { _ = s.Close() })
	if err := s.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// shop recommends as a version does.
func shop(variant string) http.Handler {
	v := versions[variant]
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if rand.Float64() < v.failing {
			http.Error(w, "out of memory", http.StatusInternalServerError)
			return
		}
		product := "shelf-warmer"
		if rand.Float64() < v.bought {
			product = "bestseller"
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprintf(w, answer, product)
	})
}

// crowd asks for recommendations until ctx ends or the gateway is gone, one each
// so often.
func crowd(ctx context.Context, gateway string, every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	var all sync.WaitGroup
	defer all.Wait()
	slots := make(chan struct{}, 64) // clients at once
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		select {
		case slots <- struct{}{}:
			all.Go(func() {
				visit(ctx, gateway)
				<-slots
			})
		default: // all are busy
		}
	}
}

// visit asks for one recommendation and buys it if it is a bestseller.
func visit(ctx context.Context, gateway string) {
	h, body, err := post(ctx, gateway+"/v2/models/recommender/infer",
		`{"inputs":[{"name":"user","datatype":"INT64","shape":[1],"data":[7]}]}`)
	if err != nil || !strings.Contains(body, "bestseller") {
		return
	}
	event, err := json.Marshal(map[string]any{"name": "checkout", "id": h.Get("X-Haldane-Prediction-Id")})
	if err != nil {
		return
	}
	_, _, _ = post(ctx, gateway+"/events", string(event)) // a lost sale is one that did not happen
}

func post(ctx context.Context, url, body string) (http.Header, string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		return nil, "", err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode >= 300 {
		err = fmt.Errorf("%s: %s", url, resp.Status)
	}
	return resp.Header, string(text), err
}
