package ofrep

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/haldane-dev/haldane/internal/gateway"
	"github.com/haldane-dev/haldane/internal/predictionid"
	"github.com/haldane-dev/haldane/internal/telemetry"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// rig is a flag on a gateway, and what was told of predictions.
type rig struct {
	*Handler
	gateway  *gateway.Gateway
	recorder *telemetry.Recorder
	codec    *predictionid.Codec
	told     []gateway.PredictionEvent
}

func start(t *testing.T, s traffic.Split) *rig {
	t.Helper()
	r := &rig{recorder: telemetry.New(telemetry.Options{Sticky: true})}
	var err error
	if r.codec, err = predictionid.New([]byte("0123456789abcdef")); err != nil {
		t.Fatal(err)
	}
	if r.gateway, err = gateway.New(gateway.Config{
		Recorder: r.recorder, Codec: r.codec, Countries: true,
		OnPrediction: func(e gateway.PredictionEvent) { r.told = append(r.told, e) },
	}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.gateway.Close() })
	r.Handler = New(Config{Key: "churn", Decider: r.gateway})
	if s.Generation > 0 {
		s.Salt, s.Sticky.Header = "churn", TargetingKey
		if err := r.gateway.SetTable(gateway.Table{
			Split: s, Rollout: "churn", Revision: "r2", Cohorts: map[string][]string{"beta": {"ann"}},
			Upstreams: [traffic.NumArms]gateway.Upstream{{Version: "v1"}, {Version: "v2"}},
		}); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

func (r *rig) post(path, body string, headers ...string) *httptest.ResponseRecorder {
	req := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	r.ServeHTTP(w, req)
	return w
}

// one evaluates the flag and wants it to succeed.
func (r *rig) one(t interface{ Fatalf(string, ...any) }, context string) (e evaluation) {
	got := r.post(Path+"/churn", `{"context":`+context+`}`)
	if got.Code != http.StatusOK {
		t.Fatalf("%s: %d %s", context, got.Code, got.Body)
	}
	if err := json.Unmarshal(got.Body.Bytes(), &e); err != nil {
		t.Fatalf("%s: %v", got.Body, err)
	}
	return e
}

func TestEvaluation(t *testing.T) {
	r := start(t, traffic.Split{Generation: 1, Canary: traffic.Full})
	got := r.one(t, `{"targetingKey":"ann","plan":"free"}`)
	id, _ := got.Metadata["predictionId"].(string)
	claims, err := r.codec.Decode(id)
	if err != nil {
		t.Fatalf("prediction ID %q: %v", id, err)
	}
	delete(got.Metadata, "predictionId")
	want := evaluation{Key: "churn", Value: json.RawMessage(`"v2"`), Reason: "SPLIT", Variant: "canary",
		Metadata: map[string]any{"rollout": "churn", "version": "v2", "arm": "canary"}}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if claims.Arm != uint8(traffic.Canary) || claims.Rollout != predictionid.Hash32("churn") || claims.Revision != predictionid.Hash32("r2") || claims.Flags != 0 {
		t.Errorf("its prediction ID says %+v", claims)
	}
	group := telemetry.GroupOf(uint16(traffic.KeyHash("churn", "ann")%uint64(traffic.Full))) + 1
	if int(claims.Group) != group || !r.told[0].Keyed || telemetry.GroupOf(r.told[0].Bucket)+1 != group {
		t.Errorf("its user is in group %d, the ID says %d and it was told %+v", group, claims.Group, r.told[0])
	}
	if len(r.told) != 1 || r.told[0].PredictionID != id || r.told[0].Arm != traffic.Canary || r.told[0].User != traffic.KeyHash("churn", "ann") {
		t.Errorf("told of %+v", r.told)
	}
	if a := r.recorder.Snapshot().Arms[traffic.Canary]; a.Requests != 1 || a.Errors != 0 {
		t.Errorf("counted %d evaluations", a.Requests)
	}
}

func TestFailures(t *testing.T) {
	r := start(t, traffic.Split{Generation: 1, Canary: 100})
	for _, c := range []struct {
		name, path, body string
		status           int
		code             string
	}{
		{"another flag", "/other", `{"context":{"targetingKey":"a"}}`, 404, "FLAG_NOT_FOUND"},
		{"no JSON", "/churn", `{`, 400, "PARSE_ERROR"},
		{"a list", "/churn", `[]`, 400, "PARSE_ERROR"},
		{"nothing", "/churn", ``, 400, "PARSE_ERROR"},
		{"too much", "/churn", `{"context":{"targetingKey":"` + strings.Repeat("a", maxBody) + `"}}`, 400, "PARSE_ERROR"},
		{"no context", "/churn", `{}`, 400, "INVALID_CONTEXT"},
		{"a context of null", "/churn", `{"context":null}`, 400, "INVALID_CONTEXT"},
		{"a context of text", "/churn", `{"context":"a"}`, 400, "INVALID_CONTEXT"},
		{"no key", "/churn", `{"context":{"plan":"free"}}`, 400, "TARGETING_KEY_MISSING"},
		{"an empty key", "/churn", `{"context":{"targetingKey":""}}`, 400, "TARGETING_KEY_MISSING"},
		{"a number for a key", "/churn", `{"context":{"targetingKey":7}}`, 400, "INVALID_CONTEXT"},
		{"no key, all flags", "", `{"context":{}}`, 400, "TARGETING_KEY_MISSING"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := r.post(Path+c.path, c.body)
			var body map[string]string
			if err := json.Unmarshal(got.Body.Bytes(), &body); err != nil {
				t.Fatalf("%s: %v", got.Body, err)
			}
			if got.Code != c.status || body["errorCode"] != c.code || body["errorDetails"] == "" || body["key"] != strings.TrimPrefix(c.path, "/") {
				t.Errorf("%d %s", got.Code, got.Body)
			}
		})
	}
	if len(r.told) > 0 {
		t.Errorf("failures were told of as predictions: %v", r.told)
	}
	if got := r.post("/ofrep/v1/configuration", `{}`); got.Code != http.StatusNotFound {
		t.Errorf("what the protocol does not have: %d", got.Code)
	}
	if got := r.post(Path, `{"context":{"targetingKey":"a"}}`, "Content-Type", "text/plain"); got.Code != http.StatusBadRequest {
		t.Errorf("what a foreign page may send: %d", got.Code)
	}
	get := httptest.NewRecorder()
	r.ServeHTTP(get, httptest.NewRequest(http.MethodGet, Path, nil))
	if get.Code != http.StatusMethodNotAllowed || get.Header().Get("Allow") != http.MethodPost {
		t.Errorf("GET: %d", get.Code)
	}
	if got := start(t, traffic.Split{}).post(Path, `{"context":{"targetingKey":"a"}}`); got.Code != http.StatusInternalServerError {
		t.Errorf("before the first decision: %d %s", got.Code, got.Body)
	}
}

// What matches look at is in the context.
func TestMatches(t *testing.T) {
	match := func(m traffic.Match) traffic.Split {
		return traffic.Split{Generation: 1, Open: true, Always: []traffic.Match{m}}
	}
	header := match(traffic.Match{Header: &traffic.Field{Name: "X-Plan", Exact: "gold"}})
	for _, c := range []struct {
		name    string
		split   traffic.Split
		context string
		canary  bool
	}{
		{"header", header, `{"targetingKey":"a","X-Plan":"gold"}`, true},
		{"header in another case", header, `{"targetingKey":"a","x-plan":"gold"}`, true},
		{"header of another value", header, `{"targetingKey":"a","x-plan":"tin"}`, false},
		{"header twice, the canonical one counts", header, `{"targetingKey":"a","x-plan":"gold","X-Plan":"tin"}`, false},
		{"truth value", match(traffic.Match{Cookie: &traffic.Field{Name: "internal", Exact: "true"}}), `{"targetingKey":"a","internal":true}`, true},
		{"number", match(traffic.Match{Cookie: &traffic.Field{Name: "age", Regex: "4.*"}}), `{"targetingKey":"a","age":42}`, true},
		{"cookie in another case", match(traffic.Match{Cookie: &traffic.Field{Name: "internal"}}), `{"targetingKey":"a","Internal":"yes"}`, false},
		{"a list is nothing", match(traffic.Match{Cookie: &traffic.Field{Name: "tags"}}), `{"targetingKey":"a","tags":["x"]}`, false},
		{"country", match(traffic.Match{Country: []string{"NL"}}), `{"targetingKey":"a","country":"nl"}`, true},
		{"another country", match(traffic.Match{Country: []string{"NL"}}), `{"targetingKey":"a","country":"SE"}`, false},
		{"cohort", match(traffic.Match{Cohort: "beta"}), `{"targetingKey":"ann"}`, true},
		{"not in the cohort", match(traffic.Match{Cohort: "beta"}), `{"targetingKey":"ben"}`, false},
		{"the key is not spelt otherwise", match(traffic.Match{Cohort: "beta"}), `{"targetingKey":"ben","Targetingkey":"ann","TARGETINGKEY":"ann"}`, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := start(t, c.split)
			got := r.one(t, c.context)
			want, reason := "stable", "SPLIT"
			if c.canary {
				want, reason = "canary", "TARGETING_MATCH"
			}
			if got.Variant != want || got.Reason != reason {
				t.Errorf("%s by %s, want %s by %s", got.Variant, got.Reason, want, reason)
			}
			if len(r.told) != 1 || r.told[0].Forced != c.canary {
				t.Errorf("told of %+v", r.told)
			}
		})
	}
}

// A user gets the arm that a request of theirs would get.
func TestTheGatewaysOwnSplit(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		weight := traffic.Weight(rapid.IntRange(0, int(traffic.Full)).Draw(rt, "weight"))
		r := start(t, traffic.Split{Generation: 1, Canary: weight})
		users := rapid.SliceOfN(rapid.String(), 1, 20).Draw(rt, "users")
		pick, err := traffic.Compile(traffic.Split{Canary: weight, Salt: "churn", Sticky: traffic.Sticky{Header: "K"}}, nil)
		if err != nil {
			rt.Fatal(err)
		}
		for i, user := range users {
			user = fmt.Sprint(i, user) // never empty
			text, err := json.Marshal(user)
			if err != nil {
				rt.Fatal(err)
			}
			want := pick.Pick(byKey(user), rapid.Uint64().Draw(rt, "draw")).Arm
			if got := r.one(rt, `{"targetingKey":`+string(text)+`}`); got.Variant != want.String() {
				rt.Fatalf("%q at %s: %s, a request goes to %s", user, weight, got.Variant, want)
			}
		}
	})
}

// byKey is a request with a sticky key.
type byKey string

func (k byKey) Header(string) string { return string(k) }
func (byKey) Cookie(string) string   { return "" }
func (byKey) Country() string        { return "" }

func TestBulk(t *testing.T) {
	r := start(t, traffic.Split{Generation: 1, Canary: traffic.Full / 2})
	table, _ := r.gateway.Table()
	table.Upstreams[traffic.Stable].Value, table.Upstreams[traffic.Canary].Value = `{"model":"a"}`, `{"model":"b"}`
	if err := r.gateway.SetTable(table); err != nil {
		t.Fatal(err)
	}
	ask := func(user string, headers ...string) *httptest.ResponseRecorder {
		return r.post(Path, `{"context":{"targetingKey":"`+user+`"}}`, headers...)
	}
	tags := map[string]string{}
	for i := range 30 {
		user := fmt.Sprint("user", i)
		got := ask(user)
		var body struct{ Flags []evaluation }
		if err := json.Unmarshal(got.Body.Bytes(), &body); err != nil || got.Code != http.StatusOK || len(body.Flags) != 1 {
			t.Fatalf("%d %s", got.Code, got.Body)
		}
		f, tag := body.Flags[0], got.Header().Get("ETag")
		if before, known := tags[f.Variant]; known && before != tag || tag == "" {
			t.Errorf("%s has the tags %s and %s", f.Variant, before, tag)
		}
		tags[f.Variant] = tag
		if want := map[string]string{"stable": `{"model":"a"}`, "canary": `{"model":"b"}`}[f.Variant]; string(f.Value) != want {
			t.Errorf("%s is worth %s", f.Variant, f.Value)
		}
		told := len(r.told)
		for _, list := range []string{tag, "W/" + tag, `"x", ` + tag, "*", strings.Trim(tag, `"`)} {
			if again := ask(user, "If-None-Match", list); again.Code != http.StatusNotModified || again.Body.Len() > 0 {
				t.Errorf("If-None-Match %s: %d %s", list, again.Code, again.Body)
			}
		}
		if len(r.told) != told {
			t.Error("what has not changed was counted again")
		}
		if again := ask(user, "If-None-Match", `"x"`); again.Code != http.StatusOK {
			t.Errorf("another tag: %d", again.Code)
		}
	}
	if len(tags) != 2 || tags["stable"] == tags["canary"] {
		t.Errorf("tags %v", tags)
	}
	// Users are on both arms by chance, each counted once by the traffic check.
	n := int64(0)
	for _, a := range r.recorder.Snapshot().Assigned {
		n += a.Stable + a.Canary
	}
	if n != 30 {
		t.Errorf("%d users in the traffic check, want 30", n)
	}
}

func TestGuard(t *testing.T) {
	now := "secret"
	h := Guard(func() string { return now }, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) }))
	for _, c := range []struct {
		header, value string
		want          int
	}{
		{"", "", 401}, {"Authorization", "Bearer secret", 200}, {"Authorization", "Bearer secre", 401},
		{"Authorization", "secret", 401}, {"X-API-Key", "secret", 200}, {"X-API-Key", "", 401},
	} {
		req := httptest.NewRequest(http.MethodPost, Path, nil)
		if c.header != "" {
			req.Header.Set(c.header, c.value)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, req)
		if w.Code != c.want {
			t.Errorf("%s %q: %d, want %d", c.header, c.value, w.Code, c.want)
		}
	}
}
