package v1alpha1

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

var (
	requestPath   = regexp.MustCompile(`^/[^\s#]*$`)
	requestMethod = regexp.MustCompile(`^[A-Z]+$`)
	headerName    = regexp.MustCompile(`^[A-Za-z0-9-]+$`)
	modelName     = regexp.MustCompile(`^[^\s/?#]+$`)
)

// The bounds of checks.
const (
	maxChecks   = 16
	maxBody     = 64 << 10 // bytes in the file itself
	maxPathName = 4096
)

func (v *validator) checks(path string, all []Check) {
	if len(all) > maxChecks {
		v.add(path, "are %d: at most %d are sent", len(all), maxChecks)
	}
	seen := map[string]bool{}
	for i := range all {
		c, at := &all[i], fmt.Sprintf("%s[%d]", path, i)
		if !dnsLabel.MatchString(c.Name) || len(c.Name) > 63 || seen[c.Name] {
			v.add(at+".name", "is %q: give each check a name of its own, of lower-case letters, digits and dashes", c.Name)
		}
		seen[c.Name] = true
		v.check(at, c)
	}
}

func (v *validator) check(path string, c *Check) {
	v.one(path, map[string]bool{"request": c.Request != nil, "grpc": c.GRPC != nil, "openInference": c.OpenInference != nil},
		"request", "grpc", "openInference")
	switch {
	case c.Request != nil:
		v.answered(path, c)
	case c.Expect != "":
		v.add(path+".expect", "is of an answer to request: leave it out")
	case c.Golden != nil:
		v.add(path+".golden", "is of an answer to request: leave it out")
	}
	if g := c.GRPC; g != nil && len(g.Service) > 253 {
		v.add(path+".grpc.service", "is longer than 253 bytes")
	}
	if o := c.OpenInference; o != nil && o.Model != "" && (!modelName.MatchString(o.Model) || len(o.Model) > 253) {
		v.add(path+".openInference.model", "%q is no name of a model", o.Model)
	}
	v.above0(path+".every", c.Every)
	v.above0(path+".timeout", c.Timeout)
	if c.Failures < 1 || c.Failures > 1000 {
		v.add(path+".failures", "is %d: write 1 to 1000", c.Failures)
	}
	v.of(path+".effect", c.Effect, "Rollback", "Hold", "Warn")
	v.of(path+".against", c.Against, "both", "canary")
	for i, w := range c.When {
		v.of(fmt.Sprintf("%s.when[%d]", path, i), w, CheckStart, CheckRunning)
		if slices.Contains(c.When[:i], w) {
			v.add(path+".when", "names %s twice", w)
		}
	}
	if c.Effect == "Warn" && slices.Contains(c.When, CheckStart) {
		v.add(path+".when", "a check that only warns keeps nothing from starting: write when: [running]")
	}
	switch {
	case c.Port != 0 && !v.cluster:
		v.add(path+".port", "is of a Service on a cluster: here the endpoint's url says it")
	case c.Port < 0 || c.Port > 65535:
		v.add(path+".port", "is %d: write a number from 1 to 65535", c.Port)
	}
}

// answered checks a request over HTTP, and what is expected of its answer.
func (v *validator) answered(path string, c *Check) {
	v.request(path+".request", c.Request)
	if _, err := CheckExpression(c.Expect); err != nil {
		v.add(path+".expect", "%v", err)
	}
	g := c.Golden
	if g == nil {
		return
	}
	path += ".golden"
	switch {
	case v.cluster && g.File != "":
		v.add(path+".file", "is a file on one machine: on a cluster write json, or from, a key of a ConfigMap")
	case v.cluster:
		v.one(path, map[string]bool{"json": g.JSON != nil, "from": g.From != nil}, "json", "from")
	case g.From != nil:
		v.add(path+".from", "is a key of a ConfigMap on a cluster: on one machine write json or file")
	default:
		v.one(path, map[string]bool{"json": g.JSON != nil, "file": g.File != ""}, "json", "file")
	}
	v.configMapKey(path+".from", g.From)
	v.inline(path+".json", g.JSON)
	if t := *g.Tolerance; t < 0 || t > 1 {
		v.add(path+".tolerance", "is %s: write a number from 0 to 1", trim(t))
	}
}

func (v *validator) above0(path string, d *Duration) {
	if d != nil && d.Duration == 0 {
		v.add(path, "is no time: write one above 0")
	}
}

func (v *validator) request(path string, r *Request) {
	if !requestPath.MatchString(r.Path) || len(r.Path) > maxAddress {
		v.add(path+".path", "%q is no path: write it like /v2/models/churn/infer", r.Path)
	}
	if !requestMethod.MatchString(r.Method) || len(r.Method) > 16 {
		v.add(path+".method", "%q is no method: write it like POST", r.Method)
	}
	v.texts(path+".headers", r.Headers, maxHeaders)
	for _, name := range slices.Sorted(maps.Keys(r.Headers)) {
		if !headerName.MatchString(name) || len(name) > 64 {
			v.add(path+".headers", "%q is no name of a header", name)
		}
		if r.TokenFrom != nil && strings.EqualFold(name, "Authorization") {
			v.add(path+".tokenFrom", "and the header Authorization say the same: keep one")
		}
	}
	v.secret(path+".tokenFrom", r.TokenFrom)
	switch {
	case v.cluster && r.BodyFile != "":
		v.add(path+".bodyFile", "is a file on one machine: on a cluster write bodyFrom, a key of a ConfigMap")
	case !v.cluster && r.BodyFrom != nil:
		v.add(path+".bodyFrom", "is a key of a ConfigMap on a cluster: on one machine write bodyFile")
	}
	have := 0
	for _, set := range []bool{r.Body != "", r.JSON != nil, r.BodyFile != "", r.BodyFrom != nil} {
		if set {
			have++
		}
	}
	if have > 1 {
		v.add(path, "has more than one of body, json, bodyFile, bodyFrom: keep one")
	}
	if len(r.Body) > maxBody {
		v.add(path+".body", "is longer than %d bytes: write bodyFile, or bodyFrom on a cluster", maxBody)
	}
	v.inline(path+".json", r.JSON)
	v.configMapKey(path+".bodyFrom", r.BodyFrom)
	if len(r.BodyFile) > maxPathName {
		v.add(path+".bodyFile", "is longer than %d bytes", maxPathName)
	}
}

// inline refuses JSON that is no object: a custom resource holds no other.
func (v *validator) inline(path string, text json.RawMessage) {
	var fields map[string]json.RawMessage
	if text != nil && (json.Unmarshal(text, &fields) != nil || fields == nil) {
		v.add(path, "is no set of fields: write it as a text (body), or in a file")
	}
}

func (v *validator) configMapKey(path string, k *ConfigMapKey) {
	if k == nil {
		return
	}
	v.required(path+".configMap", k.ConfigMap)
	v.required(path+".key", k.Key)
}
