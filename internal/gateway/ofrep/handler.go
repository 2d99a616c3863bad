package ofrep

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/haldane-dev/haldane/internal/gateway"
)

// Path is where all of the protocol is.
const Path = "/ofrep/v1/evaluate/flags"

// maxBody bounds a request, in bytes.
const maxBody = 64 << 10

// The error codes of OpenFeature that are sent.
const (
	codeParse      = "PARSE_ERROR"
	codeContext    = "INVALID_CONTEXT"
	codeMissingKey = "TARGETING_KEY_MISSING"
	codeNotFound   = "FLAG_NOT_FOUND"
)

// Decider is a gateway.
type Decider interface {
	Evaluate(gateway.Subject) (gateway.Evaluation, bool)
	Expose(*gateway.Evaluation) (predictionID string)
}

// Config is what a Handler is made of.
type Config struct {
	Key     string // of the flag
	Decider Decider
}

// Handler serves Path and what is below it.
type Handler struct{ cfg Config }

// New returns a handler of one flag.
func New(c Config) *Handler { return &Handler{c} }

// evaluation is a success of the protocol.
type evaluation struct {
	Key      string          `json:"key"`
	Value    json.RawMessage `json:"value"`
	Reason   string          `json:"reason"`
	Variant  string          `json:"variant"`
	Metadata map[string]any  `json:"metadata"`
}

// failure is any failure of the protocol.
type failure struct {
	Key     string `json:"key,omitempty"`
	Code    string `json:"errorCode,omitempty"`
	Details string `json:"errorDetails,omitempty"`
	status  int
}

// ServeHTTP answers POST to Path, the evaluation of all flags, and to Path/{key}.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	key, one := strings.CutPrefix(r.URL.Path, Path+"/")
	if !one {
		key = ""
	}
	if !one && r.URL.Path != Path {
		send(w, http.StatusNotFound, failure{Details: "nothing is answered here: flags are evaluated at " + Path})
		return
	}
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		send(w, http.StatusMethodNotAllowed, failure{Details: "flags are evaluated by POST"})
		return
	}
	if one && key != h.cfg.Key {
		send(w, http.StatusNotFound, failure{Key: key, Code: codeNotFound, Details: fmt.Sprintf("the flag of this rollout is %q", h.cfg.Key)})
		return
	}
	e, no := h.evaluate(w, r)
	switch {
	case no != nil:
		no.Key = key
		send(w, no.status, no)
	case one:
		send(w, http.StatusOK, h.answer(e))
	default:
		h.bulk(w, r, e)
	}
}

// bulk answers the evaluation of all flags, unless the caller has that already.
func (h *Handler) bulk(w http.ResponseWriter, r *http.Request, e *gateway.Evaluation) {
	tag := h.tag(e)
	w.Header().Set("ETag", tag)
	if matches(r.Header.Values("If-None-Match"), tag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	send(w, http.StatusOK, map[string]any{"flags": []evaluation{h.answer(e)}})
}

// evaluate reads the context and decides.
func (h *Handler) evaluate(w http.ResponseWriter, r *http.Request) (*gateway.Evaluation, *failure) {
	attributes, no := read(w, r)
	if no != nil {
		return nil, no
	}
	s, no := subject(attributes)
	if no != nil {
		return nil, no
	}
	e, ok := h.cfg.Decider.Evaluate(s)
	if !ok {
		return nil, &failure{Details: "the rollout has decided nothing yet: ask again in a moment", status: http.StatusInternalServerError}
	}
	return &e, nil
}

// read returns the context of a request.
func read(w http.ResponseWriter, r *http.Request) (map[string]any, *failure) {
	bad := func(code, details string) *failure {
		return &failure{Code: code, Details: details, status: http.StatusBadRequest}
	}
	if sent := r.Header.Get("Content-Type"); sent != "" {
		// What a page of another site can send without asking is not JSON.
		if media, _, err := mime.ParseMediaType(sent); err != nil || media != "application/json" {
			return nil, bad(codeParse, "Content-Type must be application/json")
		}
	}
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	var tooLong *http.MaxBytesError
	switch {
	case errors.As(err, &tooLong):
		return nil, bad(codeParse, fmt.Sprintf("the request has more than %d bytes", maxBody))
	case err != nil:
		return nil, bad(codeParse, "the request ended early")
	}
	var body struct {
		Context json.RawMessage `json:"context"`
	}
	if err := json.Unmarshal(data, &body); err != nil {
		return nil, bad(codeParse, "the request is not a JSON object: "+err.Error())
	}
	var attributes map[string]any
	if err := json.Unmarshal(body.Context, &attributes); err != nil || attributes == nil {
		return nil, bad(codeContext, "context must be an object with a targetingKey")
	}
	return attributes, nil
}

// answer is what e says. It counts as a prediction.
func (h *Handler) answer(e *gateway.Evaluation) evaluation {
	metadata := map[string]any{"rollout": e.Rollout(), "version": e.Version(), "arm": e.Arm().String()}
	if id := h.cfg.Decider.Expose(e); id != "" {
		metadata["predictionId"] = id
	}
	out := evaluation{Key: h.cfg.Key, Value: value(e), Reason: "SPLIT", Variant: e.Arm().String(), Metadata: metadata}
	if e.Forced() {
		out.Reason = "TARGETING_MATCH"
	}
	return out
}

func value(e *gateway.Evaluation) json.RawMessage {
	if v := e.Value(); v != "" {
		return json.RawMessage(v)
	}
	text, err := json.Marshal(e.Version())
	if err != nil {
		panic(err) // text always marshals
	}
	return text
}

// tag tells apart what an answer says, without the prediction ID.
func (h *Handler) tag(e *gateway.Evaluation) string {
	text, err := json.Marshal([]any{h.cfg.Key, value(e), e.Arm(), e.Forced(), e.Version(), e.Rollout(), e.Revision()})
	if err != nil {
		panic(err) // the file's own JSON and text
	}
	sum := sha256.Sum256(text)
	return `"` + hex.EncodeToString(sum[:12]) + `"`
}

// matches reports whether a list of entity tags has one, by the weak comparison
// of RFC 9110 §13.1.2.
func matches(lists []string, tag string) bool {
	for _, list := range lists {
		for one := range strings.SplitSeq(list, ",") {
			one = strings.TrimPrefix(strings.TrimSpace(one), "W/")
			if one == "*" || one == tag || `"`+one+`"` == tag { // some clients drop the quotes
				return true
			}
		}
	}
	return false
}

func send(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	// The caller has gone if this fails; there is nobody to tell.
	_ = json.NewEncoder(w).Encode(v)
}

// Guard lets through to next who presents the token of now, as a bearer or as
// the API key of the protocol; nobody while it is "". A nil token lets everybody
// through.
func Guard(token func() string, next http.Handler) http.Handler {
	if token == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		given := r.Header.Get("X-API-Key")
		if bearer, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
			given = bearer
		}
		now := token()
		want, got := sha256.Sum256([]byte(now)), sha256.Sum256([]byte(given))
		if now == "" || subtle.ConstantTimeCompare(got[:], want[:]) != 1 {
			w.Header().Set("WWW-Authenticate", "Bearer")
			send(w, http.StatusUnauthorized, failure{Details: "send the token of the flag as Authorization: Bearer, or as X-API-Key"})
			return
		}
		next.ServeHTTP(w, r)
	})
}
