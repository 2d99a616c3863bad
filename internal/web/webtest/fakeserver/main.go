// Command fakeserver serves the dashboard over replayed rollouts, for its
// browser tests and for whoever works on it.
//
//	go run ./internal/web/webtest/fakeserver -listen 127.0.0.1:7601 -scenario good
//
// It prints its address on standard output. POST /test/advance?blocks=N lets
// time pass, POST /test/hangup breaks every stream, GET /test/commands lists
// what was submitted. It ends at the end of its standard input if -until-eof
// is given, so that it never outlives a test.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/haldane-dev/haldane/internal/web"
	"github.com/haldane-dev/haldane/internal/web/webtest"
)

func main() {
	if err := run(); err != nil {
		slog.Error("fakeserver", "error", err)
		os.Exit(1)
	}
}

// kinds are the scenarios by name.
var kinds = map[string]func() webtest.Scenario{
	"good": webtest.Good, "wrong": webtest.Wrong, "rising": webtest.Rising, "watched": webtest.Watched,
	"trial": webtest.Trial, "flag": webtest.Toggled, "blue": webtest.BlueGreen, "long": webtest.Long,
}

func run() error {
	listen := flag.String("listen", "127.0.0.1:0", "address")
	names := flag.String("scenario", "good", "what happens, several with commas; none for no rollout")
	blocks := flag.Int("blocks", 0, "blocks that have passed already")
	every := flag.Duration("every", 0, "real time per block; 0 waits for /test/advance")
	token := flag.String("token", "", "token to ask for")
	untilEOF := flag.Bool("until-eof", false, "end when standard input does")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()

	var scenarios []webtest.Scenario
	for name := range strings.SplitSeq(*names, ",") {
		if name == "none" {
			continue
		}
		scenario, ok := kinds[name]
		if !ok {
			return fmt.Errorf("scenario %q: want %s or none", name, strings.Join(slices.Sorted(maps.Keys(kinds)), ", "))
		}
		scenarios = append(scenarios, scenario())
	}
	begin := time.Now().Add(-time.Duration(*blocks) * webtest.BlockLength)
	fake := webtest.NewFake(begin, scenarios...)
	fake.Advance(*blocks)
	server, err := web.New(fake, web.Options{Token: *token, Heartbeat: time.Second})
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", *listen)
	if err != nil {
		return err
	}
	fmt.Printf("http://%s\n", l.Addr())
	if *untilEOF {
		go func() { _, _ = io.Copy(io.Discard, os.Stdin); stop() }()
	}
	if *every > 0 {
		go fake.Play(ctx, *every)
	}
	return serve(ctx, l, control(fake, server.Handler(*token == "")))
}

// control adds the test's own addresses. They are for tests alone.
func control(fake *webtest.Fake, next http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", next)
	mux.HandleFunc("POST /test/advance", func(_ http.ResponseWriter, r *http.Request) {
		n, _ := strconv.Atoi(r.FormValue("blocks"))
		fake.Advance(max(n, 1))
	})
	mux.HandleFunc("POST /test/hangup", func(http.ResponseWriter, *http.Request) { fake.HangUp() })
	mux.HandleFunc("GET /test/commands", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(fake.Commands())
	})
	return mux
}

func serve(ctx context.Context, l net.Listener, h http.Handler) error {
	srv := &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second, BaseContext: func(net.Listener) context.Context { return ctx }}
	context.AfterFunc(ctx, func() { _ = srv.Close() })
	if err := srv.Serve(l); ctx.Err() == nil {
		return err
	}
	return nil
}
