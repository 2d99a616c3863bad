package supervise

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"
)

// restartLimit bounds one order.
const restartLimit = 2 * time.Minute

// serveControl takes orders over the control socket until ctx ends:
//
//	GET  /components               {"name": running, …}
//	POST /components/NAME/start    returns once it answers
//	POST /components/NAME/stop     SIGTERM, and patience
//	POST /components/NAME/kill     SIGKILL
func (s *supervisor) serveControl(ctx context.Context) error {
	listener, err := net.Listen("unix", s.dir.ControlSocket())
	if err != nil {
		return fmt.Errorf("listen for orders: %w", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /components", s.list)
	mux.HandleFunc("POST /components/{name}/{verb}", s.obey)
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = server.Serve(listener) }()
	go func() {
		<-ctx.Done()
		_ = server.Close()
		_ = os.Remove(s.dir.ControlSocket())
	}()
	return nil
}

func (s *supervisor) list(w http.ResponseWriter, _ *http.Request) {
	running := map[string]bool{}
	for name, c := range s.components {
		running[name] = c.Running()
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(running)
}

func (s *supervisor) obey(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	c, ok := s.components[name]
	if !ok {
		http.Error(w, fmt.Sprintf("this cluster has no component %q", name), http.StatusNotFound)
		return
	}
	switch verb := r.PathValue("verb"); verb {
	case "start":
		ctx, cancel := context.WithTimeout(r.Context(), restartLimit)
		defer cancel()
		if err := c.Start(ctx); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	case "stop":
		c.Stop(false)
	case "kill":
		c.Stop(true)
	default:
		http.Error(w, fmt.Sprintf("%q is none of start, stop, kill", verb), http.StatusNotFound)
	}
}
