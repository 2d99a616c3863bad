package elsewhere

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"

	"github.com/haldane-dev/haldane/api/v1alpha1"
	"github.com/haldane-dev/haldane/internal/rollout"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// Arm is a version that runs elsewhere, and what a flag is worth on it.
type Arm struct {
	rollout.Revision
	Value json.RawMessage // nil: the version's name
}

// ArmsOf returns both arms of a valid spec whose routing is a flag. A version
// with another value is another revision: applications do something else by it.
func ArmsOf(s *v1alpha1.Spec) [traffic.NumArms]Arm {
	var worth v1alpha1.FlagValues
	if v := s.Routing.Flag.Values; v != nil {
		worth = *v
	}
	return [traffic.NumArms]Arm{
		traffic.Stable: arm(s.Endpoints.Stable.Version, worth.Stable),
		traffic.Canary: arm(s.Endpoints.Canary.Version, worth.Canary),
	}
}

func arm(version string, value json.RawMessage) Arm {
	value = canonical(value)
	text, err := json.Marshal([]any{version, value})
	if err != nil {
		panic("elsewhere: a value that came as JSON is not JSON: " + err.Error())
	}
	sum := sha256.Sum256(text)
	return Arm{rollout.Revision{Version: version, Hash: hex.EncodeToString(sum[:6])}, value}
}

// canonical spells equal values alike, whoever has written them: an API server
// spells its own way. nil for what is no value.
func canonical(value json.RawMessage) json.RawMessage {
	var v any
	dec := json.NewDecoder(bytes.NewReader(value))
	dec.UseNumber() // large ones stay exact
	if err := dec.Decode(&v); err != nil || v == nil {
		return nil
	}
	text, err := json.Marshal(v)
	if err != nil {
		return nil
	}
	return text
}
