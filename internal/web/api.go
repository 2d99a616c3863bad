package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/haldane-dev/haldane/internal/engine"
	"github.com/haldane-dev/haldane/internal/rollout"
)

// listing is the answer to GET /api/v1/rollouts.
type listing struct {
	Rollouts []engine.Status `json:"rollouts"`
}

func (s *Server) list(w http.ResponseWriter, r *http.Request) {
	all, err := s.rollouts.List(r.Context())
	if err != nil {
		s.broken(w, r, "list rollouts", err)
		return
	}
	reply(w, http.StatusOK, listing{Rollouts: nonNil(all)})
}

func (s *Server) status(w http.ResponseWriter, r *http.Request) {
	st, err := s.rollouts.Status(r.Context(), r.PathValue("name"))
	if err != nil {
		s.broken(w, r, "read status", err)
		return
	}
	reply(w, http.StatusOK, st)
}

func (s *Server) blocks(w http.ResponseWriter, r *http.Request) {
	limit, err := number(r, "limit", defaultLimit, 1, maxLimit)
	if err != nil {
		fail(w, http.StatusBadRequest, err.Error())
		return
	}
	blocks, err := s.rollouts.Blocks(r.Context(), r.PathValue("name"), limit)
	if err != nil {
		s.broken(w, r, "read blocks", err)
		return
	}
	reply(w, http.StatusOK, map[string][]engine.Block{"blocks": nonNil(blocks)})
}

func (s *Server) events(w http.ResponseWriter, r *http.Request) {
	limit, err := number(r, "limit", defaultLimit, 1, maxLimit)
	if err != nil {
		fail(w, http.StatusBadRequest, err.Error())
		return
	}
	events, err := s.rollouts.Events(r.Context(), r.PathValue("name"), limit)
	if err != nil {
		s.broken(w, r, "read events", err)
		return
	}
	reply(w, http.StatusOK, map[string][]rollout.Event{"events": nonNil(events)})
}

// number reads a whole number from the query, or the default if it is absent.
func number(r *http.Request, name string, otherwise, low, high int) (int, error) {
	text := r.URL.Query().Get(name)
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < low || n > high {
		return 0, fmt.Errorf("%s=%q: want a whole number from %d to %d", name, text, low, high)
	}
	return n, nil
}

// broken answers for an error of Rollouts and logs what is the server's fault.
func (s *Server) broken(w http.ResponseWriter, r *http.Request, what string, err error) {
	switch {
	case errors.Is(err, ErrNotFound):
		fail(w, http.StatusNotFound, fmt.Sprintf("no rollout is named %q here", r.PathValue("name")))
	case errors.Is(err, context.Canceled) && r.Context().Err() != nil:
		fail(w, http.StatusServiceUnavailable, "the server is stopping")
	default:
		s.options.Logger.ErrorContext(r.Context(), "the API could not "+what, "rollout", r.PathValue("name"), "error", err)
		fail(w, http.StatusInternalServerError, what+": "+err.Error())
	}
}

// problem is every error's body.
type problem struct {
	Error string `json:"error"`
}

func fail(w http.ResponseWriter, code int, message string) {
	reply(w, code, problem{Error: message})
}

// reply writes v as JSON. An answer that cannot be encoded becomes a 500,
// because nothing has been written yet.
func reply(w http.ResponseWriter, code int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		code, body = http.StatusInternalServerError, []byte(`{"error":"the answer could not be encoded"}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	_, _ = w.Write(append(body, '\n')) // the caller may be gone: nothing to do about it
}

func nonNil[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}
