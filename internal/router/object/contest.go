package object

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/haldane-dev/haldane/api/v1alpha1"
	"github.com/haldane-dev/haldane/internal/cluster"
)

// A route that others rewrote this often within this long is contested.
const (
	ContestEdits  = 3
	ContestWithin = 10 * time.Minute
)

// ErrContested means that somebody else keeps rewriting the route. Everything
// goes to stable until they stop.
var ErrContested = errors.New("the route is contested")

// Contest counts rewrites by others. The zero Contest is ready. It is safe for
// concurrent use.
type Contest struct {
	Now func() time.Time // time.Now if nil. Set it before use

	mu    sync.Mutex
	edits []time.Time
	what  string // object that was rewritten last
	who   string // by whom
}

// Edited records a rewrite of an object by a field manager, "" if unknown.
func (c *Contest) Edited(what, who string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if who == "" {
		who = "somebody unknown"
	}
	c.edits = append(c.recent(), c.now())
	c.what, c.who = what, who
}

// Err is ErrContested with what and who, nil while nobody fights.
func (c *Contest) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.recent()) < ContestEdits {
		return nil
	}
	return fmt.Errorf("%w: %s rewrote %s %d times within %s: everything goes to stable until it stops; make it ignore what Haldane writes there",
		ErrContested, c.who, c.what, len(c.edits), ContestWithin)
}

// Condition is RouteContested, true while Err is not nil.
func (c *Contest) Condition() cluster.Condition {
	out := cluster.Condition{Type: v1alpha1.ConditionRouteContested, Reason: "Uncontested", Message: "Nobody else rewrites the route."}
	if err := c.Err(); err != nil {
		out.True, out.Blocks, out.Reason, out.Message = true, true, "RewrittenByOthers", err.Error()
	}
	return out
}

// recent drops edits that are too old to count. The caller holds mu.
func (c *Contest) recent() []time.Time {
	limit := c.now().Add(-ContestWithin)
	c.edits = slices.DeleteFunc(c.edits, func(t time.Time) bool { return t.Before(limit) })
	return c.edits
}

func (c *Contest) now() time.Time {
	if c.Now == nil {
		return time.Now()
	}
	return c.Now()
}

// writer returns the field manager other than Haldane that wrote last what
// owned says of its fields; "" if managed fields were not kept.
func writer(obj metav1.Object, owned func(fields map[string]any) bool) string {
	var who string
	var last time.Time
	for _, f := range obj.GetManagedFields() {
		var fields map[string]any
		if f.Manager == cluster.FieldManager || f.FieldsV1 == nil || json.Unmarshal(f.FieldsV1.GetRawBytes(), &fields) != nil || !owned(fields) {
			continue
		}
		var at time.Time
		if f.Time != nil {
			at = f.Time.Time
		}
		if who == "" || !at.Before(last) {
			who, last = f.Manager, at
		}
	}
	return who
}

// owns reports whether managed fields are of what k keeps.
func (k *Keeper) owns(fields map[string]any) bool {
	at := fields
	for _, name := range k.Field {
		at, _ = at["f:"+name].(map[string]any)
	}
	if at != nil {
		return true
	}
	meta, _ := fields["f:metadata"].(map[string]any)
	notes, _ := meta["f:annotations"].(map[string]any)
	for name := range notes {
		if k.Prefix != "" && strings.HasPrefix(name, "f:"+k.Prefix) {
			return true
		}
	}
	return false
}
