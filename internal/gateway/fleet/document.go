package fleet

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/haldane-dev/haldane/internal/gateway"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// Document is a gateway's table as it travels.
type Document struct {
	Rollout  string                `json:"rollout"`            // as prediction IDs and metrics name it
	Revision string                `json:"revision,omitempty"` // the candidate's
	Split    traffic.Split         `json:"split"`
	Cohorts  map[string][]string   `json:"cohorts,omitempty"`
	Arms     [traffic.NumArms]Door `json:"arms"`               // stable, canary
	Variants []Door                `json:"variants,omitempty"` // the further arms of an experiment, as in Split
	Load     *Load                 `json:"load,omitempty"`
	// Flag says that no requests are forwarded: the arms run elsewhere, and
	// applications ask which a user gets.
	Flag bool `json:"flag,omitempty"`
}

// Load is how load is told from users.
type Load struct {
	Digest string `json:"digest"` // of its mark: SHA-256 in hexadecimal digits
	Count  bool   `json:"count"`  // as evidence
}

// NewLoad is how l travels, nil for nil.
func NewLoad(l *gateway.Load) *Load {
	if l == nil {
		return nil
	}
	return &Load{Digest: hex.EncodeToString(l.Digest[:]), Count: l.Count}
}

// arrived is l where it has arrived. A digest that is none recognises nothing.
func (l *Load) arrived() *gateway.Load {
	if l == nil {
		return nil
	}
	out := &gateway.Load{Count: l.Count}
	if digest, err := hex.DecodeString(l.Digest); err == nil && len(digest) == len(out.Digest) {
		copy(out.Digest[:], digest)
	}
	return out
}

// Door is where an arm is served.
type Door struct {
	URL     string `json:"url,omitempty"` // "" while it is served nowhere
	Version string `json:"version,omitempty"`
	// Value is what the flag is worth on it; none: the version's name.
	Value json.RawMessage `json:"value,omitempty"`
}

// Encode writes d. Equal documents give equal texts.
func (d Document) Encode() (string, error) {
	text, err := json.Marshal(d)
	if err != nil {
		return "", fmt.Errorf("write the gateway's table: %w", err)
	}
	return string(text), nil
}

// Decode reads what Encode has written. A field that this version does not know
// is refused: carrying a table without it would not be carrying the table. So is
// a table that leads nowhere, which only another hand can have written.
func Decode(text string) (Document, error) {
	var d Document
	dec := json.NewDecoder(bytes.NewReader([]byte(text)))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&d); err != nil {
		return d, fmt.Errorf("read the gateway's table: %w", err)
	}
	switch at := d.Arms[traffic.Stable]; {
	case d.Rollout == "", !d.Flag && at.URL == "":
		return d, errors.New("read the gateway's table: it says no rollout, or not where stable is served")
	case d.Flag && at.Version == "":
		return d, errors.New("read the gateway's table: it says not which version is stable")
	}
	if len(d.Variants) != len(d.Split.Variants) {
		return d, fmt.Errorf("read the gateway's table: it says where %d of %d variants are served", len(d.Variants), len(d.Split.Variants))
	}
	return d, nil
}

// Digest tells texts of documents apart.
func Digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:10])
}

// served are the names of all arms and of what they serve, as one text.
func (d Document) served() string {
	all := []string{d.Arms[traffic.Stable].Version, d.Arms[traffic.Canary].Version}
	for i, v := range d.Variants {
		all = append(all, d.Split.Variants[i].Name, v.Version)
	}
	return strings.Join(all, "\x00")
}

// Serves reports whether d and o are of the same versions.
func (d Document) Serves(o Document) bool { return d.served() == o.served() }

// Versions are the names of both arms.
func (d Document) Versions() [traffic.NumArms]string {
	var out [traffic.NumArms]string
	for arm := range out {
		out[arm] = d.Arms[arm].Version
	}
	return out
}

// table is d for a gateway that counts generations by itself.
func (d Document) table(generation uint64) gateway.Table {
	t := gateway.Table{Split: d.Split, Cohorts: d.Cohorts, Rollout: d.Rollout, Revision: d.Revision, Load: d.Load.arrived()}
	t.Split.Generation = generation
	for arm := range t.Upstreams {
		t.Upstreams[arm] = gateway.Upstream{URL: d.Arms[arm].URL, Version: d.Arms[arm].Version, Value: string(d.Arms[arm].Value)}
	}
	for _, v := range d.Variants {
		t.Variants = append(t.Variants, gateway.Upstream{URL: v.URL, Version: v.Version})
	}
	return t
}

// AckPath is where a gateway tells its Ack, beside its metrics. With the
// parameter AckWant, the digest of the newest document, one that carries another
// looks for it at once.
const (
	AckPath = "/-/haldane/table"
	AckWant = "want"
)

// Ack is what a gateway says of itself.
type Ack struct {
	Digest string        `json:"digest"` // of the document it carries; "" before the first
	Level  traffic.Level `json:"level"`
	// Refused is the digest of a newer document that it cannot use, and Why.
	Refused string `json:"refused,omitempty"`
	Why     string `json:"why,omitempty"`
}
