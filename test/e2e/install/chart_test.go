package install

import (
	"bytes"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/engine"
	"sigs.k8s.io/yaml"
)

const deploy = "../../../deploy"

// objects are manifests by kind and name.
type objects map[string]map[string]any

// read takes in a stream of manifests. What has no namespace in the API has
// none here: kustomize writes one on kinds that it does not know.
func (o objects) read(t *testing.T, text string) {
	t.Helper()
	for doc := range strings.SplitSeq("\n"+text, "\n---") {
		var obj map[string]any
		if err := yaml.Unmarshal([]byte(doc), &obj); err != nil {
			t.Fatalf("%v in:\n%s", err, doc)
		}
		if len(obj) == 0 {
			continue
		}
		kind, meta := obj["kind"].(string), obj["metadata"].(map[string]any)
		if strings.HasPrefix(kind, "ClusterRole") || strings.HasPrefix(kind, "ValidatingAdmission") {
			delete(meta, "namespace")
		}
		key := kind + " " + meta["name"].(string)
		if n, ok := meta["namespace"]; ok {
			key += " in " + n.(string)
		}
		if o[key] != nil {
			t.Fatalf("%s is there twice", key)
		}
		o[key] = obj
	}
}

func (o objects) without(kinds ...string) objects {
	out := maps.Clone(o)
	maps.DeleteFunc(out, func(key string, _ map[string]any) bool { return slices.Contains(kinds, strings.Fields(key)[0]) })
	return out
}

// chart renders the chart as helm install would.
func chart(t *testing.T, namespace, values string) objects {
	t.Helper()
	c, err := loader.LoadDir(filepath.Join(deploy, "chart"))
	if err != nil {
		t.Fatal(err)
	}
	given, err := common.ReadValues([]byte(values))
	if err != nil {
		t.Fatal(err)
	}
	all, err := util.ToRenderValues(c, given, common.ReleaseOptions{Name: "haldane", Namespace: namespace, IsInstall: true}, common.DefaultCapabilities)
	if err != nil {
		t.Fatal(err)
	}
	files, err := engine.Render(c, all)
	if err != nil {
		t.Fatal(err)
	}
	out := objects{}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		out.read(t, files[name])
	}
	return out
}

// kustomized renders a folder as kubectl apply -k would.
func kustomized(t *testing.T, dir string) objects {
	t.Helper()
	var errOut bytes.Buffer
	cmd := exec.Command(kubectl(t), "kustomize", dir)
	cmd.Stderr = &errOut
	text, err := cmd.Output()
	if err != nil {
		t.Fatalf("kubectl kustomize %s: %v\n%s", dir, err, errOut.String())
	}
	out := objects{}
	out.read(t, string(text))
	return out
}

func kubectl(t *testing.T) string {
	t.Helper()
	cache := os.Getenv("HALDANE_CLUSTER")
	if cache == "" {
		cache = "../../../.cache/cluster"
	}
	path, err := filepath.Abs(filepath.Join(cache, "bin", "kubectl"))
	if err == nil {
		_, err = os.Stat(path)
	}
	if err != nil {
		t.Fatalf("%v: run make cluster-build first", err)
	}
	return path
}

// TestTheChartSaysWhatTheManifestsSay, to the last field.
func TestTheChartSaysWhatTheManifestsSay(t *testing.T) {
	for _, tc := range []struct{ dir, namespace, values string }{
		{"namespaced", "default", ""},
		{"cluster-wide", "haldane-system", "clusterWide: true"},
	} {
		t.Run(tc.dir, func(t *testing.T) {
			want := kustomized(t, filepath.Join(deploy, tc.dir)).without("CustomResourceDefinition", "Namespace")
			if len(want) < 13 {
				t.Fatalf("only %d objects in the manifests", len(want))
			}
			if d := cmp.Diff(want, chart(t, tc.namespace, tc.values)); d != "" {
				t.Errorf("manifests (-), chart (+):\n%s", d)
			}
		})
	}
	t.Run("gateways of a namespace", func(t *testing.T) {
		got, want := kustomized(t, filepath.Join(deploy, "gateway")), chart(t, "haldane-system", "clusterWide: true\nnamespaces: [default]")
		for key, obj := range got {
			if d := cmp.Diff(obj, want[key]); d != "" {
				t.Errorf("%s: manifests (-), chart (+):\n%s", key, d)
			}
		}
	})
	t.Run("definitions", func(t *testing.T) {
		names, err := filepath.Glob(filepath.Join(deploy, "crd", "haldane.dev_*.yaml"))
		if err != nil || len(names) < 4 {
			t.Fatalf("definitions: %v, %v", names, err)
		}
		if n := len(kustomized(t, filepath.Join(deploy, "crd"))); n != len(names) {
			t.Errorf("%d of %d definitions are in the kustomization", n, len(names))
		}
		for _, name := range names {
			want, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			got, err := os.ReadFile(filepath.Join(deploy, "chart", "crds", filepath.Base(name)))
			if err != nil || !bytes.Equal(want, got) {
				t.Errorf("%s is another in the chart: run make crd (%v)", filepath.Base(name), err)
			}
		}
	})
}

// rules are those of a role, as text.
func (o objects) rules(t *testing.T, key string) string {
	t.Helper()
	if o[key] == nil {
		t.Fatalf("there is no %s", key)
	}
	text, err := yaml.Marshal(o[key]["rules"])
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestTheChartsValues(t *testing.T) {
	const role = "ClusterRole haldane-controller"
	t.Run("namespaces", func(t *testing.T) {
		got := chart(t, "shop", "namespaces: [search, shop]\nallowSources: ['http://p:9090']\nallowURLs: ['https://h']")
		for _, n := range []string{"shop", "search"} {
			if got["RoleBinding haldane-controller in "+n] == nil {
				t.Errorf("nothing is bound in %s", n)
			}
		}
		text, _ := yaml.Marshal(got["Deployment haldane-controller in shop"])
		if !strings.Contains(string(text), "- controller\n        - --namespace=shop\n        - --namespace=search\n        - --allow-source=http://p:9090\n        - --allow-url=https://h\n") {
			t.Errorf("arguments:\n%s", text)
		}
	})
	t.Run("routers", func(t *testing.T) {
		got := chart(t, "shop", "routers: {gateway: false, gatewayAPI: false, istio: false, nginx: false, appMesh: true}")
		rules := got.rules(t, role)
		for _, gone := range []string{"gateway.networking.k8s.io", "gatewaytables", "secrets", "istio", "ingresses"} {
			if strings.Contains(rules, gone) {
				t.Errorf("the role still has %s", gone)
			}
		}
		if !strings.Contains(rules, "virtualrouters") || got[role+"-gateways"] != nil {
			t.Errorf("App Mesh is missing, or the Gateways' role is there:\n%s", rules)
		}
	})
	t.Run("tracking", func(t *testing.T) {
		if rules := chart(t, "shop", "").rules(t, role); strings.Count(rules, "secrets\n  verbs:\n  - create\n") != strings.Count(rules, "secrets") || strings.Contains(rules, "configmaps") {
			t.Errorf("by default:\n%s", rules)
		}
		rules := chart(t, "shop", "configMaps: true\nsecrets: [model-credentials]").rules(t, role)
		if !strings.Contains(rules, "resourceNames:\n  - model-credentials\n  resources:\n  - secrets\n  verbs:\n  - get\n") || !strings.Contains(rules, "configmaps") {
			t.Errorf("when asked for:\n%s", rules)
		}
	})
	t.Run("a second release", func(t *testing.T) {
		got := chart(t, "search", "common: false")
		first := chart(t, "shop", "")
		for key := range got {
			if first[key] != nil {
				t.Errorf("%s is in both", key)
			}
		}
		if got.rules(t, role+"-search") != first.rules(t, role) {
			t.Error("the role is another")
		}
	})
}

// TestComponents: what is opted in to is added to the role, and to nothing else.
func TestComponents(t *testing.T) {
	plain := kustomized(t, filepath.Join(deploy, "namespaced"))
	for component, values := range map[string]string{
		"appmesh":    "routers: {appMesh: true}",
		"configmaps": "configMaps: true",
		"secrets":    "secrets: [model-credentials]",
	} {
		got := kustomized(t, overlay(t, "namespace: default\ncomponents: ["+upTo(t, filepath.Join(deploy, "components", component))+"]\n"))
		const role, controller = "ClusterRole haldane-controller", "Deployment haldane-controller in default"
		want := chart(t, "default", values)
		if d := cmp.Diff(want.rules(t, role), got.rules(t, role)); d != "" {
			t.Errorf("%s: chart (-), manifests (+):\n%s", component, d)
		}
		if d := cmp.Diff(want[controller], got[controller]); d != "" {
			t.Errorf("%s: chart (-), manifests (+):\n%s", component, d)
		}
		rest := maps.Clone(plain)
		for _, key := range []string{role, controller} {
			delete(got, key)
			delete(rest, key)
		}
		if d := cmp.Diff(rest, got); d != "" {
			t.Errorf("%s changes more than the role and the arguments:\n%s", component, d)
		}
	}
}
