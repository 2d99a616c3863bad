package install

import (
	"strings"
	"testing"
)

// routers are the other ways to split, as a rollout writes them, and what the
// user has beside the model, and what of it a deletion waits for.
var routers = []struct{ name, routing, leaving, beside string }{
	{"nginx", "{nginx: {ingress: nginx}}", "ingress/nginx", `
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: nginx, namespace: shop}
spec:
  ingressClassName: nginx
  rules:
  - host: nginx.example
    http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: nginx-stable, port: {name: http}}}}]}
`},
	{"replicas", "{replicas: {}}", "", ""},
	{"istio", "{istio: {virtualService: istio, hosts: [istio]}}", "", ""},
	{"gateway", "{gateway: {fleet: {replicas: 1}}}", "", ""},
}

// testRouters lets each of them carry a candidate at half of the traffic, take
// it back and put everything away again: there are no requests, it is about the
// rights.
func testRouters(t *testing.T, w world) {
	wait := func(name, path, value string) {
		w.shop("wait", "modelrollout/"+name, "--for=jsonpath={.status."+path+"}="+value, "--timeout="+patience.String())
	}
	named := func(name, text string) string {
		return strings.NewReplacer("name: churn", "name: "+name, "app: churn", "app: "+name).Replace(text)
	}
	for _, r := range routers {
		text := named(r.name, model+"---"+rollout)
		from := strings.Index(text, "  routing:\n")
		to := strings.Index(text, "  strategy:\n")
		w.Apply(text[:from] + "  routing: " + r.routing + "\n" + text[to:] + "---" + r.beside)
	}
	for _, r := range routers {
		wait(r.name, "phase", "Idle")
		w.shop("set", "image", "deployment/"+r.name, "model=churn:good")
	}
	for _, r := range routers {
		wait(r.name, "weight.observed", "50%")
		w.say("abort", r.name)
		wait(r.name, "phase", "RolledBack")
		w.shop("set", "image", "deployment/"+r.name, "model=churn:v1") // or the routes as they were would lead elsewhere
		wait(r.name, "canary.version", "v1")
		w.shop("delete", "modelrollout", r.name, "--wait=false")
		if r.leaving != "" { // the user's own Ingress would lead nowhere, and is waited for
			w.shop("wait", "modelrollout/"+r.name, "--for=jsonpath={.status.waiting}", "--timeout="+patience.String())
			w.shop("patch", r.leaving, "--type=json", "-p", `[{"op": "replace", "path": "/spec/rules/0/http/paths/0/backend/service/name", "value": "`+r.name+`"}]`)
		}
		w.shop("wait", "modelrollout/"+r.name, "--for=delete", "--timeout="+patience.String())
	}
	if left := w.shop("get", "gatewaytables,virtualservices,ingresses,services,deployments", "-l", "haldane.dev/rollout", "-o", "name"); left != "" {
		t.Errorf("left behind: %s", left)
	}
}
