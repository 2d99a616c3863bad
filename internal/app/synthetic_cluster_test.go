package app

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/haldane-dev/haldane/api/v1alpha1"
	"github.com/haldane-dev/haldane/internal/check"
	"github.com/haldane-dev/haldane/internal/cluster"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// syntheticShop is a cluster with the Services of a rollout whose analysis is as given.
func syntheticShop(t *testing.T, analysis string, more ...client.Object) cluster.Rollout {
	t.Helper()
	m, err := v1alpha1.LoadCluster("f.yaml", strings.NewReader(`apiVersion: haldane.dev/v1alpha1
kind: ModelRollout
metadata: {name: churn}
spec:
  workload: {name: churn}
  strategy: {canary: {}}
  routing: {gateway: {}}
  analysis:
    source: {prometheus: {address: "http://prometheus:9090", preset: haldane}}
`+analysis))
	if err != nil {
		t.Fatal(err)
	}
	s := runtime.NewScheme()
	if err := clientgoscheme.AddToScheme(s); err != nil {
		t.Fatal(err)
	}
	service := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "churn-stable"}}
	service.Spec.Ports = []corev1.ServicePort{{Name: "metrics", Port: 9000}, {Name: "http", Port: 8000}, {Name: "grpc", Port: 8001}}
	return cluster.Rollout{Namespace: "shop", Name: "churn", Spec: &m.Spec, Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
		Client: fake.NewClientBuilder().WithScheme(s).WithObjects(append(more, service)...).Build()}
}

func TestAddressesOnACluster(t *testing.T) {
	at := clusterArms(syntheticShop(t, "")).address
	for _, c := range []struct {
		arm   traffic.Arm
		check check.Check
		want  string
	}{
		{traffic.Canary, check.Check{}, "http://churn-canary.shop.svc:8000"},
		{traffic.Stable, check.Check{}, "http://churn-stable.shop.svc:8000"},
		{traffic.Canary, check.Check{GRPC: true}, "http://churn-canary.shop.svc:8001"},
		{traffic.Canary, check.Check{Port: 9000}, "http://churn-canary.shop.svc:9000"},
	} {
		if got, err := at(t.Context(), c.arm, c.check); err != nil || got != c.want {
			t.Errorf("%s of %+v: %q, %v, want %s", c.arm, c.check, got, err, c.want)
		}
	}
}

// TestBodiesFromConfigMaps are read at each request: an edit counts, and what is
// not there is no fault of the candidate.
func TestBodiesFromConfigMaps(t *testing.T) {
	body := ""
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		body = string(text)
		_, _ = io.WriteString(w, `{"score":0.9}`)
	}))
	defer s.Close()
	r := syntheticShop(t, "    checks: [{name: golden, request: {bodyFrom: {configMap: golden, key: body}}, golden: {from: {configMap: golden, key: answer}}}]\n")
	m := &v1alpha1.ModelRollout{Spec: *r.Spec}
	all, err := checks(m, clusterArms(r))
	if err != nil || len(all) != 1 {
		t.Fatalf("%d checks: %v", len(all), err)
	}
	ask := func() error { return all[0].Probe(t.Context(), s.URL) }
	if err := ask(); !errors.Is(err, check.ErrUnsent) || !strings.Contains(err.Error(), "read ConfigMap golden") {
		t.Errorf("without the ConfigMap: %v", err)
	}
	c := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "golden"}, Data: map[string]string{"body": `{"x":1}`}}
	if err := r.Client.Create(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct{ answer, says string }{
		{"", "has no key answer"}, {`{"score":0.9}`, ""}, {`{"score":0.5}`, "says score is 0.9, where 0.5 was expected"}, {"{", "key answer of ConfigMap golden is no JSON"},
	} {
		if step.answer != "" {
			c.Data["answer"] = step.answer
			if err := r.Client.Update(t.Context(), c); err != nil {
				t.Fatal(err)
			}
		}
		err := ask()
		if step.says == "" && err != nil || step.says != "" && (err == nil || !strings.Contains(err.Error(), step.says)) {
			t.Errorf("answer %q: %v, want %q", step.answer, err, step.says)
		}
	}
	if body != `{"x":1}` {
		t.Errorf("it was sent %q", body)
	}
}

// TestTokensOfChecks come from a Secret, anew for each request, and are in no error.
func TestTokensOfChecks(t *testing.T) {
	var seen []string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen = append(seen, r.Header.Get("Authorization"))
		w.WriteHeader(http.StatusForbidden)
	}))
	defer s.Close()
	r := syntheticShop(t, "    checks: [{name: closed, request: {tokenFrom: {name: model, key: token}}}]\n")
	all, err := checks(&v1alpha1.ModelRollout{Spec: *r.Spec}, clusterArms(r))
	if err != nil {
		t.Fatal(err)
	}
	ask := func() error { return all[0].Probe(t.Context(), s.URL) }
	if err := ask(); !errors.Is(err, check.ErrUnsent) || !strings.Contains(err.Error(), "read Secret model") {
		t.Errorf("without the Secret: %v", err)
	}
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "model"}, Data: map[string][]byte{"token": []byte("one")}}
	if err := r.Client.Create(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	for _, token := range []string{"one", "two"} {
		secret.Data["token"] = []byte(token + "\n")
		if err := r.Client.Update(t.Context(), secret); err != nil {
			t.Fatal(err)
		}
		if err := ask(); err == nil || strings.Contains(err.Error(), token) {
			t.Errorf("refused, and the check says %v", err)
		}
	}
	if want := []string{"Bearer one", "Bearer two"}; !slices.Equal(seen, want) {
		t.Errorf("sent %q, want %q", seen, want)
	}
}

// TestWhereLoadGoesOnACluster: to the gateways with the mark, and elsewhere, if
// the operator allows it, without.
func TestWhereLoadGoesOnACluster(t *testing.T) {
	none := func(string) error { return nil }
	r := syntheticShop(t, "    load: {rate: 1, request: {}}\n")
	f := clusterFront(r, none, "mark")
	if at, err := f.address(t.Context()); err != nil || at != "http://churn-gateway.shop.svc:8000" || f.mark != "mark" {
		t.Errorf("%q with mark %q: %v", at, f.mark, err)
	}
	r.Spec.Analysis.Load.Address = "http://web"
	r.Spec.Routing.Gateway, r.Spec.Routing.Nginx = nil, &v1alpha1.Nginx{Ingress: "churn"}
	f = clusterFront(r, none, "mark")
	if at, err := f.address(t.Context()); err != nil || at != "http://web" || f.mark != "" {
		t.Errorf("%q with mark %q: %v", at, f.mark, err)
	}
	f = clusterFront(r, func(string) error { return errors.New("is not allowed") }, "mark")
	if at, err := f.address(t.Context()); err == nil {
		t.Errorf("%s is called although nobody may", at)
	}
}
