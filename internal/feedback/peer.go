package feedback

import (
	"bytes"
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"go.etcd.io/bbolt"
)

// Where replicas hand feedback to each other, and the header that says that it
// is one of them who asks. What comes that way is never handed on.
const (
	PeerPath     = "/-/haldane/peer/"
	itemsPath    = PeerPath + "feedback"
	eventsPath   = PeerPath + "events"
	findPath     = PeerPath + "requests"
	HeaderPeer   = "X-Haldane-Peer"
	maxPeerReply = 8 << 20
)

// Peer answers other replicas, at PeerPath, and nobody else.
func (r *Relay) Peer() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+itemsPath, func(w http.ResponseWriter, req *http.Request) {
		r.ledger.serve(w, req, taken{relayBody, r.ledger.readFeedback, r.ledger.Put})
	})
	mux.HandleFunc("POST "+eventsPath, func(w http.ResponseWriter, req *http.Request) {
		r.ledger.serve(w, req, taken{relayBody, r.ledger.readEvents, r.ledger.Put})
	})
	mux.HandleFunc("POST "+findPath, r.serveFind)
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if subtle.ConstantTimeCompare([]byte(req.Header.Get(HeaderPeer)), []byte(r.token)) != 1 {
			refuse(w, http.StatusForbidden, errors.New("this is for the other replicas of the gateway"))
			return
		}
		mux.ServeHTTP(w, req)
	})
}

func (r *Relay) serveFind(w http.ResponseWriter, req *http.Request) {
	var wanted []string
	if err := json.NewDecoder(http.MaxBytesReader(w, req.Body, relayBody)).Decode(&wanted); err != nil {
		refuse(w, http.StatusBadRequest, err)
		return
	}
	found, err := r.ledger.Find(req.Context(), wanted)
	if err != nil {
		refuse(w, http.StatusServiceUnavailable, err)
		return
	}
	respond(w, http.StatusOK, found)
}

// Find returns the prediction IDs of those request IDs that this replica
// answered.
func (l *Ledger) Find(ctx context.Context, requests []string) (map[string]string, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	out := map[string]string{}
	err := l.db.View(func(tx *bbolt.Tx) error {
		for _, id := range requests {
			if prediction, ok := l.lookUp(tx, id); ok {
				out[id] = prediction
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("look for request IDs of rollout %s: %w", l.opt.Rollout, err)
	}
	return out, nil
}

// hand gives items, all of them events or none, to another replica.
func (r *Relay) hand(ctx context.Context, address string, items []Item) ([]Status, error) {
	path := itemsPath
	if items[0].Event != "" {
		path = eventsPath
	}
	bodies := make([]wire, len(items))
	for i, it := range items {
		bodies[i].ID, bodies[i].Name = it.ID, it.Event
		if it.HasValue {
			bodies[i].Value = &it.Value
		} else {
			bodies[i].Label = &it.label.text
		}
	}
	var receipt Receipt
	if err := r.post(ctx, address, path, bodies, &receipt); err != nil {
		return nil, err
	}
	if len(receipt.Results) != len(items) {
		return nil, fmt.Errorf("replica %s answered for %d items of %d", address, len(receipt.Results), len(items))
	}
	out := make([]Status, len(items))
	for i, x := range receipt.Results {
		out[i] = x.Status
	}
	return out, nil
}

// wire is an item between replicas. A label is sent as text, which equals the
// number or truth value that it spells.
type wire struct {
	ID    string   `json:"id"`
	Name  string   `json:"name,omitempty"`
	Label *string  `json:"label,omitempty"`
	Value *float64 `json:"value,omitempty"`
}

// ask asks another replica for request IDs.
func (r *Relay) ask(ctx context.Context, address string, wanted []string) (map[string]string, error) {
	var found map[string]string
	err := r.post(ctx, address, findPath, wanted, &found)
	return found, err
}

func (r *Relay) post(ctx context.Context, address, path string, body, answer any) error {
	leave, err := r.enter()
	if err != nil {
		return err
	}
	defer leave()
	text, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("write feedback for replica %s: %w", address, err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+address+path, bytes.NewReader(text))
	if err != nil {
		return fmt.Errorf("ask replica %s: %w", address, err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set(HeaderPeer, r.token)
	res, err := r.client.Do(req)
	if err != nil {
		return fmt.Errorf("ask replica %s: %w", address, err)
	}
	defer res.Body.Close()
	data, err := io.ReadAll(io.LimitReader(res.Body, maxPeerReply))
	if err != nil {
		return fmt.Errorf("read the answer of replica %s: %w", address, err)
	}
	if res.StatusCode/100 != 2 {
		return fmt.Errorf("replica %s answered %d: %s", address, res.StatusCode, bytes.TrimSpace(data[:min(len(data), 200)]))
	}
	if err := json.Unmarshal(data, answer); err != nil {
		return fmt.Errorf("read the answer of replica %s: %w", address, err)
	}
	return nil
}
