package feedback

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/cespare/xxhash/v2"
	"golang.org/x/sync/errgroup"

	"github.com/haldane-dev/haldane/internal/predictionid"
)

// Peers are the replicas that take feedback together.
type Peers interface {
	// Owner returns the replica, by host and port, that a key belongs to, and
	// whether it is this one. All replicas agree.
	Owner(key uint64) (address string, self bool)
	// Others returns all but this one.
	Others() []string
}

// The bounds of what a Relay asks of others.
const (
	relayTimeout = 3 * time.Second
	relayAtOnce  = 64      // requests to other replicas; beyond it feedback is refused
	relayBody    = 8 << 20 // bytes between replicas, who write labels out
)

// Relay takes feedback for one of several replicas. An item goes to the replica
// that its prediction ID belongs to, so that the same sent twice, to whichever
// of them, meets itself and counts once. A request ID is looked for at all of
// them first: the one that answered the request knows what it stands for.
//
// It keeps nothing and is safe for concurrent use.
type Relay struct {
	ledger *Ledger
	peers  Peers
	token  string
	client *http.Client
	slots  chan struct{}
}

// NewRelay returns a relay before l. Replicas know each other by token, which
// all of them have and nobody else.
func NewRelay(l *Ledger, peers Peers, token string) *Relay {
	transport := &http.Transport{MaxIdleConnsPerHost: 8, IdleConnTimeout: 30 * time.Second}
	return &Relay{
		ledger: l, peers: peers, token: token,
		client: &http.Client{Transport: transport, Timeout: relayTimeout},
		slots:  make(chan struct{}, relayAtOnce),
	}
}

// ServeHTTP takes feedback from clients, as Ledger.ServeHTTP does. It answers
// 503 too if a replica that an item belongs to does not answer.
func (r *Relay) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	r.ledger.serve(w, req, taken{r.ledger.opt.MaxBody, r.ledger.readFeedback, r.Put})
}

// Events takes events from clients, as that of Ledger does.
func (r *Relay) Events() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		r.ledger.serve(w, req, taken{r.ledger.opt.MaxBody, r.ledger.readEvents, r.Put})
	})
}

// Put is Ledger.Put over all replicas, of items all of which are events or none
// is. After an error some of them may have been taken; put again, those are
// duplicates.
func (r *Relay) Put(ctx context.Context, items []Item) ([]Status, error) {
	statuses := make([]Status, len(items))
	items, err := r.named(ctx, items)
	if err != nil {
		return nil, err
	}
	const here = "" // no address
	groups := map[string][]int{}
	for i, it := range items {
		if it.ID == "" {
			statuses[i] = Unknown
			continue
		}
		at, self := r.peers.Owner(keyOf(it.ID))
		if self {
			at = here
		}
		groups[at] = append(groups[at], i)
	}
	g, ctx := errgroup.WithContext(ctx)
	for at, group := range groups {
		g.Go(func() error {
			part := make([]Item, len(group))
			for j, i := range group {
				part[j] = items[i]
			}
			put := r.ledger.Put
			if at != here {
				put = func(ctx context.Context, items []Item) ([]Status, error) { return r.hand(ctx, at, items) }
			}
			got, err := put(ctx, part)
			for j := range got {
				statuses[group[j]] = got[j]
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return statuses, nil
}

// keyOf is what decides who owns a prediction ID: all of a batch go together.
func keyOf(id string) uint64 {
	if base, _, err := predictionid.SplitIndex(id); err == nil {
		id = base
	}
	return xxhash.Sum64String(id)
}

// named returns items by prediction ID alone; one that nobody knows has none.
func (r *Relay) named(ctx context.Context, items []Item) ([]Item, error) {
	var wanted []string
	for _, it := range items {
		if it.ID == "" {
			wanted = append(wanted, r.ledger.indexed(&it))
		}
	}
	if len(wanted) == 0 {
		return items, nil
	}
	known, err := r.find(ctx, wanted)
	if err != nil {
		return nil, err
	}
	out := make([]Item, len(items))
	for i, it := range items {
		if it.ID == "" {
			if id := known[r.ledger.indexed(&it)]; r.ledger.precedes(id, &it) {
				it.ID = id
			}
			it.RequestID, it.User = "", ""
		}
		out[i] = it
	}
	return out, nil
}

// find asks all replicas for request IDs. The newest prediction has it.
func (r *Relay) find(ctx context.Context, wanted []string) (map[string]string, error) {
	others := r.peers.Others()
	answers := make([]map[string]string, len(others)+1)
	g, asking := errgroup.WithContext(ctx)
	for i, at := range others {
		g.Go(func() error {
			var err error
			answers[i], err = r.ask(asking, at, wanted)
			return err
		})
	}
	g.Go(func() error {
		var err error
		answers[len(others)], err = r.ledger.Find(asking, wanted)
		return err
	})
	if err := g.Wait(); err != nil {
		return nil, err
	}
	out := map[string]string{}
	for _, found := range answers {
		for request, id := range found {
			if before, ok := out[request]; !ok || r.ledger.newer(id, before) {
				out[request] = id
			}
		}
	}
	return out, nil
}

// newer reports whether a was issued after b.
func (l *Ledger) newer(a, b string) bool {
	x, err := l.codec.Decode(a)
	if err != nil {
		return false
	}
	y, err := l.codec.Decode(b)
	return err != nil || x.Time.After(y.Time)
}

var errBusy = errors.New("too much feedback is on its way to other replicas")

// enter takes one of the slots, and returns how to give it back.
func (r *Relay) enter() (leave func(), err error) {
	select {
	case r.slots <- struct{}{}:
		return func() { <-r.slots }, nil
	default:
		return nil, fmt.Errorf("%w: %d requests", errBusy, relayAtOnce)
	}
}
