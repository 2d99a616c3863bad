package ofrep

import (
	"net/http"
	"strconv"

	"github.com/haldane-dev/haldane/internal/gateway"
)

// TargetingKey is the attribute of a context that holds the user, and so what a
// split must be sticky by, as a header.
const TargetingKey = "targetingKey"

// countryAttribute is the attribute that holds the country.
const countryAttribute = "country"

// subject makes of a context whom to decide for.
func subject(attributes map[string]any) (gateway.Subject, *failure) {
	switch key := attributes[TargetingKey].(type) {
	case nil:
		return gateway.Subject{}, missingKey()
	case string:
		if key == "" {
			return gateway.Subject{}, missingKey()
		}
	default:
		return gateway.Subject{}, &failure{Code: codeContext, Details: "targetingKey must be text", status: http.StatusBadRequest}
	}
	h := head{exact: map[string]string{}, canonical: map[string]string{}}
	for name, v := range attributes {
		text, ok := textOf(v)
		if !ok {
			continue
		}
		h.exact[name] = text
		field := http.CanonicalHeaderKey(name)
		// Of several spellings the canonical one counts, else the first by name:
		// the order of a map must not decide.
		if before, taken := h.canonical[field]; !taken || name == field || before != field && name < before {
			h.canonical[field] = name
		}
	}
	h.canonical[http.CanonicalHeaderKey(TargetingKey)] = TargetingKey // whatever else is spelt like it
	return gateway.Subject{Head: h, Country: h.exact[countryAttribute]}, nil
}

func missingKey() *failure {
	return &failure{Code: codeMissingKey, Details: "context needs a targetingKey: whom the flag is evaluated for", status: http.StatusBadRequest}
}

func textOf(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case bool:
		return strconv.FormatBool(v), true
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), true
	}
	return "", false
}

// head is a context as the head of a request.
type head struct {
	exact     map[string]string // values by name
	canonical map[string]string // names by canonical spelling
}

// Header implements gateway.Head.
func (h head) Header(name string) string {
	if spelt, ok := h.canonical[name]; ok {
		return h.exact[spelt]
	}
	return ""
}

// Cookie implements gateway.Head.
func (h head) Cookie(name string) string { return h.exact[name] }
