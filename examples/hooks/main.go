// Command hooks is a receiver of Haldane's hooks and messages: a gate that a
// person opens and closes, and a log. README.md says how to try it.
package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"flag"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"strconv"
	"sync/atomic"
	"time"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:9100", "address")
	flag.Parse()
	s := &http.Server{Addr: *listen, Handler: receiver(os.Getenv("HOOK_SECRET"), os.Stdout), ReadHeaderTimeout: 10 * time.Second}
	log.Fatal(s.ListenAndServe())
}

// receiver answers hooks signed with secret and writes what it is told to out.
func receiver(secret string, out io.Writer) http.Handler {
	var open atomic.Bool
	m := http.NewServeMux()
	m.HandleFunc("POST /gate/open", func(http.ResponseWriter, *http.Request) { open.Store(true) })
	m.HandleFunc("POST /gate/close", func(http.ResponseWriter, *http.Request) { open.Store(false) })
	m.HandleFunc("POST /gate/check", signed(secret, func(w http.ResponseWriter, _ []byte) {
		if !open.Load() {
			http.Error(w, "the gate is closed", http.StatusForbidden)
		}
	}))
	m.HandleFunc("POST /log", signed(secret, func(_ http.ResponseWriter, body []byte) { fmt.Fprintf(out, "%s\n", body) }))
	return m
}

// signed lets requests pass that somebody with the secret has sent just now.
func signed(secret string, next func(http.ResponseWriter, []byte)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
		stamp := r.Header.Get("Haldane-Timestamp")
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write([]byte(stamp + "."))
		mac.Write(body)
		want := "sha256=" + hex.EncodeToString(mac.Sum(nil))
		at, fail := strconv.ParseInt(stamp, 10, 64)
		late := fail != nil || time.Since(time.Unix(at, 0)).Abs() > 5*time.Minute
		if err != nil || late || secret == "" || !hmac.Equal([]byte(want), []byte(r.Header.Get("Haldane-Signature"))) {
			http.Error(w, "not signed by Haldane", http.StatusUnauthorized)
			return
		}
		next(w, body)
	}
}
