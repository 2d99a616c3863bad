// Command guardrails is a monitoring system of two numbers, as JSON: the depth of
// a queue, which a person sets, and a revenue of each version. README.md says how
// to try it.
package main

import (
	"encoding/json"
	"flag"
	"log"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:9100", "address")
	flag.Parse()
	s := &http.Server{Addr: *listen, Handler: monitor(), ReadHeaderTimeout: 10 * time.Second}
	log.Fatal(s.ListenAndServe())
}

// monitor answers with the numbers, and takes a depth.
func monitor() http.Handler {
	var depth atomic.Int64
	depth.Store(20)
	m := http.NewServeMux()
	m.HandleFunc("GET /queue", func(w http.ResponseWriter, _ *http.Request) {
		write(w, map[string]any{"queue": map[string]any{"depth": depth.Load()}})
	})
	m.HandleFunc("POST /queue", func(w http.ResponseWriter, r *http.Request) {
		n, err := strconv.ParseInt(r.FormValue("depth"), 10, 64)
		if err != nil {
			http.Error(w, "write depth=200", http.StatusBadRequest)
			return
		}
		depth.Store(n)
	})
	m.HandleFunc("GET /revenue/{version}", func(w http.ResponseWriter, r *http.Request) {
		level := 100.0
		if r.PathValue("version") == "cheap" {
			level = 80
		}
		write(w, map[string]any{"perMinute": level + 2*rand.NormFloat64()})
	})
	return m
}

func write(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}
