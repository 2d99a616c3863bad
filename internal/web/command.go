package web

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/haldane-dev/haldane/internal/rollout"
	"sigs.k8s.io/json"
)

// request is the body of a command as it comes over the wire.
type request struct {
	ID       string       `json:"id"`
	Verb     rollout.Verb `json:"verb"`
	Full     bool         `json:"full"`
	Revision string       `json:"revision"`
	Step     *int         `json:"step"`
	Reason   string       `json:"reason"`
	By       string       `json:"by"`
}

// refusal is a Reply that was not accepted, with the words where callers look
// for errors as well.
type refusal struct {
	rollout.Reply
	Error string `json:"error"`
}

var verbs = []rollout.Verb{rollout.Promote, rollout.Abort, rollout.Hold, rollout.Resume, rollout.Retry}

func (s *Server) command(w http.ResponseWriter, r *http.Request) {
	// The body is small: who sends it slowly does so to hold the connection.
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(10 * time.Second))
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || media != "application/json" {
		fail(w, http.StatusUnsupportedMediaType, "send the command as Content-Type: application/json")
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if tooLarge := new(http.MaxBytesError); errors.As(err, &tooLarge) {
		fail(w, http.StatusRequestEntityTooLarge, fmt.Sprintf("a command is at most %d bytes", maxBody))
		return
	}
	if err != nil {
		fail(w, http.StatusBadRequest, "read the command: "+err.Error())
		return
	}
	c, err := parseCommand(body, s.options.Now())
	if err != nil {
		fail(w, http.StatusBadRequest, err.Error())
		return
	}
	answer, err := s.rollouts.Submit(r.Context(), r.PathValue("name"), c)
	switch {
	case err != nil:
		s.broken(w, r, "submit the command", err)
	case !answer.Accepted:
		reply(w, http.StatusConflict, refusal{Reply: answer, Error: answer.Message})
	default:
		reply(w, http.StatusOK, answer)
	}
}

// parseCommand reads a command strictly: exact names, none unknown, none twice.
func parseCommand(body []byte, now time.Time) (rollout.Command, error) {
	var q request
	strict, err := json.UnmarshalStrict(body, &q)
	if err = errors.Join(append(strict, err)...); err != nil {
		return rollout.Command{}, fmt.Errorf("the command is not valid: %s", strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	if !slices.Contains(verbs, q.Verb) {
		return rollout.Command{}, fmt.Errorf("verb %q: want promote, abort, pause, resume or retry", q.Verb)
	}
	if q.Full && q.Verb != rollout.Promote {
		return rollout.Command{}, fmt.Errorf("full goes with promote alone, not with %s", q.Verb)
	}
	if q.Step != nil && *q.Step < 0 {
		return rollout.Command{}, fmt.Errorf("step %d: steps count from 0", *q.Step)
	}
	for _, f := range []struct {
		name, value string
		max         int
	}{{"id", q.ID, 128}, {"revision", q.Revision, 256}, {"by", q.By, 64}, {"reason", q.Reason, 500}} {
		if len(f.value) > f.max {
			return rollout.Command{}, fmt.Errorf("%s: %d bytes, at most %d", f.name, len(f.value), f.max)
		}
		if strings.ContainsFunc(f.value, unicode.IsControl) {
			return rollout.Command{}, fmt.Errorf("%s: no control characters, please", f.name)
		}
	}
	if q.ID == "" {
		q.ID = rand.Text()
	}
	if q.By == "" {
		q.By = "api"
	}
	return rollout.Command{
		ID: q.ID, Verb: q.Verb, Full: q.Full, Revision: q.Revision,
		Step: q.Step, By: q.By, Reason: q.Reason, At: now,
	}, nil
}
