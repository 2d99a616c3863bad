package fleet

import (
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"sync"

	"github.com/haldane-dev/haldane/internal/gateway"
)

// Carrier brings a gateway to the newest document.
type Carrier struct {
	gateway   *gateway.Gateway
	recorders *Recorders
	revised   func(revision string)

	mu         sync.Mutex
	ack        Ack // its Level is the gateway's to say
	current    Document
	generation uint64 // of the gateway's table; grows whatever documents say
}

// NewCarrier returns a carrier for g, which counts by r. revised, if not nil, is
// told of each revision before requests are decided for it.
func NewCarrier(g *gateway.Gateway, r *Recorders, revised func(revision string)) *Carrier {
	return &Carrier{gateway: g, recorders: r, revised: revised}
}

// Take makes a document the gateway's table. On an error the gateway carries
// what it carried before.
func (c *Carrier) Take(text string) error {
	digest := Digest(text)
	c.mu.Lock()
	defer c.mu.Unlock()
	if digest == c.ack.Digest {
		c.ack.Refused, c.ack.Why = "", ""
		return nil
	}
	if err := c.take(text); err != nil {
		c.ack.Refused, c.ack.Why = digest, err.Error()
		return err
	}
	c.ack = Ack{Digest: digest}
	return nil
}

// take is Take; the caller holds mu.
func (c *Carrier) take(text string) error {
	d, err := Decode(text)
	if err != nil {
		return err
	}
	if can := c.recorders.arms(); d.Split.Arms() > can {
		return fmt.Errorf("carry the table: it has %d arms, and this gateway counts %d: one that begins now counts all", d.Split.Arms(), can)
	}
	// The split's own generation may begin anew (a state that was lost); what
	// requests are told apart by must not.
	first := c.ack.Digest == ""
	next := c.generation
	if first || !reflect.DeepEqual(d.Split, c.current.Split) || d.Revision != c.current.Revision {
		next++
	}
	undo := func() {}
	if first || d.Rollout != c.current.Rollout || d.Revision != c.current.Revision || !d.Serves(c.current) {
		next = c.generation + 1
		undo = c.recorders.begin(next, d, first)
	}
	if c.revised != nil && (first || d.Revision != c.current.Revision) {
		c.revised(d.Revision)
	}
	if err := c.gateway.SetTable(d.table(next)); err != nil {
		undo()
		if c.revised != nil && !first {
			c.revised(c.current.Revision)
		}
		return fmt.Errorf("carry the table: %w", err)
	}
	c.current, c.generation = d, next
	return nil
}

// Ack says what the gateway carries.
func (c *Carrier) Ack() Ack {
	c.mu.Lock()
	defer c.mu.Unlock()
	a := c.ack
	a.Level = c.gateway.Observed().Level
	return a
}

// ServeHTTP answers with the Ack.
func (c *Carrier) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	// The asker has gone if this fails; there is nobody to tell.
	_ = json.NewEncoder(w).Encode(c.Ack())
}
