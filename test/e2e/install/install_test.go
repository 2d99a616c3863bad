package install

import (
	"fmt"
	"strings"
	"testing"
)

// TestInstalled brings a model through its rollouts with the manifests as they
// are shipped: the tests are in the order in which a user comes to them, and
// each begins where the one before it ended.
func TestInstalled(t *testing.T) {
	w := newWorld(t)
	w.Apply(model + "---" + people)
	w.shop("rollout", "status", "deployment/churn", "--timeout="+patience.String())
	w.Apply(rollout)
	w.status("phase", "Idle")
	w.status("weight.level", "Accepted")
	lost := w.send()
	requests := func(t *testing.T, _ world) {
		if n := lost(); n > 0 {
			t.Errorf("%d requests were lost", n)
		}
	}
	for _, test := range []struct {
		name string
		run  func(*testing.T, world)
	}{
		{"documentation", testDocumentation},
		{"rights", testRights},
		{"people", testPeople},
		{"approval", testApproval},
		{"rollback", testRollback},
		{"retry", testRetry},
		{"leader", testLeader},
		{"requests", requests}, // the route is Haldane's own, and goes with the rollout
		{"deletion", testDeletion},
		{"routers", testRouters},
	} {
		if !t.Run(test.name, func(t *testing.T) { test.run(t, world{w.For(t), t}) }) {
			break // what comes next stands on it
		}
	}
	for line := range strings.Lines(w.logs()) {
		if strings.Contains(strings.ToLower(line), "forbidden") {
			t.Errorf("a right is missing: %s", line)
		}
	}
}

// testRights: what the controller may do, and may not.
func testRights(t *testing.T, w world) {
	for _, tc := range []struct {
		namespace string
		can       string
		want      string
	}{
		{"shop", "list deployments.apps", "yes"},
		{"shop", "patch httproutes.gateway.networking.k8s.io", "yes"},
		{"default", "get gateways.gateway.networking.k8s.io", "yes"},
		{"shop", "create secrets", "yes"}, // the key of gateways
		{"shop", "get secrets", "no"},
		{"shop", "list secrets", "no"},
		{"shop", "watch secrets", "no"},
		{"shop", "get configmaps", "no"},
		{"shop", "create pods", "no"},
		{"shop", "create pods/exec", "no"},
		{"shop", "create modelrollouts.haldane.dev", "no"},
		{"shop", "create rolloutcommands.haldane.dev", "no"},
		{"shop", "promote modelrollouts.haldane.dev", "no"},
		{"shop", "create rolebindings.rbac.authorization.k8s.io", "no"},
		{"shop", "impersonate users", "no"},
		{"default", "list deployments.apps", "no"},
		{"default", "patch httproutes.gateway.networking.k8s.io", "no"},
	} {
		args := append([]string{"-n", tc.namespace, "auth", "can-i", "--as=" + account}, strings.Fields(tc.can)...)
		cmd := w.KubectlCommand(t.Context(), args...)
		out, _ := cmd.Output() // no is an exit code too
		if got := strings.TrimSpace(string(out)); got != tc.want {
			t.Errorf("%s in %s: %q, want %s", tc.can, tc.namespace, got, tc.want)
		}
	}
}

// testPeople: a candidate waits for approval, and only the one who may promote
// is able to, under their own name.
func testPeople(t *testing.T, w world) {
	w.shop("set", "image", "deployment/churn", "model=churn:good")
	w.condition("Paused")
	vera, otto, anna, nobody := w.as("vera"), w.as("otto"), w.as("anna"), w.as("nobody")
	for _, tc := range []struct {
		who, kubeconfig string
		args            []string
		code            int
		says            string
	}{
		{"vera looks", vera, []string{"status", "churn"}, 0, "good is to replace v1"},
		{"vera lists", vera, []string{"get"}, 0, "Paused"},
		{"vera reads on", vera, []string{"history"}, 0, "Paused"},
		{"nobody looks", nobody, []string{"status", "churn"}, 1, "forbidden"},
		{"vera promotes", vera, []string{"promote", "churn"}, 1, `cannot create resource "rolloutcommands"`},
		{"otto promotes", otto, []string{"promote", "churn"}, 1, "otto may not promote ModelRollout churn: it takes the verb promote on modelrollouts.haldane.dev"},
		{"otto promotes at once", otto, []string{"promote", "churn", "--full"}, 1, "otto may not promote"},
		{"anna aborts", anna, []string{"abort", "churn"}, 1, "anna may not abort"},
		{"otto resumes what nobody holds", otto, []string{"resume", "churn"}, 1, ""},
	} {
		out, code := w.plugin(tc.kubeconfig, tc.args...)
		if code != tc.code || !strings.Contains(out, tc.says) {
			t.Errorf("%s: exit code %d, want %d\n%s", tc.who, code, tc.code, out)
		}
	}
	forged := "apiVersion: haldane.dev/v1alpha1\nkind: RolloutCommand\nmetadata: {generateName: forged-, namespace: shop}\nspec: {rollout: churn, verb: pause, requestedBy: anna}\n"
	cmd := w.KubectlCommand(t.Context(), "create", "--as=otto", "-f", "-")
	cmd.Stdin = strings.NewReader(forged)
	if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), "spec.requestedBy must be who creates the command: otto") {
		t.Errorf("otto signs as anna: %v\n%s", err, out)
	}
	if got := w.shop("get", "modelrollout", "churn", "-o", "jsonpath={.status.phase}"); got != "Paused" {
		t.Errorf("after all that the rollout is %s", got)
	}
	if out, code := w.plugin(anna, "promote", "churn", "--reason", "looks fine"); code != 0 {
		t.Errorf("anna promotes: exit code %d\n%s", code, out)
	}
	w.condition("Promoted")
	if got := w.shop("get", "rolloutcommands", "-o", `jsonpath={range .items[?(@.spec.verb=="promote")]}{.spec.requestedBy} {.status.outcome}{end}`); got != "anna Accepted" {
		t.Errorf("commands to promote: %q", got)
	}
}

// testApproval: what a person sees of a promoted rollout.
func testApproval(t *testing.T, w world) {
	lines := strings.Split(strings.TrimSpace(w.shop("get", "mro")), "\n")
	if len(lines) != 2 || strings.Join(strings.Fields(lines[0]), " ") != "NAME PHASE STEP WEIGHT VERDICT AGE" || !strings.HasPrefix(lines[1], "churn   Promoted") {
		t.Errorf("kubectl get mro:\n%s", strings.Join(lines, "\n"))
	}
	if out := w.say("watch", "churn"); out == "" {
		t.Error("watch of a promoted rollout says nothing")
	}
	if out := w.say("wait", "churn", "--for", "Promoted", "--revision", "good"); !strings.Contains(out, "Promoted") {
		t.Errorf("wait:\n%s", out)
	}
	if out := w.say("get", "-o", "json"); !strings.Contains(out, `"mode": "kubernetes"`) || !strings.Contains(out, `"phase": "Promoted"`) {
		t.Errorf("get -o json:\n%s", out)
	}
	if out := w.say("history", "churn"); !strings.Contains(out, "good") || !strings.Contains(out, "Promoted") {
		t.Errorf("history:\n%s", out)
	}
	if out := w.shop("get", "events", "--field-selector=involvedObject.name=churn,reason=Promoted"); !strings.Contains(out, "ModelRollout") && !strings.Contains(out, "modelrollout/churn") {
		t.Errorf("events:\n%s", out)
	}
}

// testRollback: a model that fails is taken back, and watch says so by its
// exit code.
func testRollback(t *testing.T, w world) {
	w.shop("set", "image", "deployment/churn", "model=churn:errors")
	w.status("canary.version", "errors")
	out, code := w.plugin(w.Kubeconfig, "watch", "churn")
	if code != 3 || !strings.Contains(out, "RolledBack") {
		t.Errorf("watch: exit code %d\n%s", code, out)
	}
	w.condition("RolledBack")
}

// testRetry: the other commands, as the plugin gives them.
func testRetry(t *testing.T, w world) {
	w.say("retry", "churn", "--reason", "once more")
	w.status("attempt", "2")
	w.status("phase", "Progressing")
	if out, code := w.plugin(w.Kubeconfig, "pause", "churn"); code != 0 {
		t.Fatalf("pause: exit code %d\n%s", code, out)
	}
	w.say("abort", "churn")
	w.condition("RolledBack")
	if out, code := w.plugin(w.Kubeconfig, "resume", "churn"); code != 1 || strings.TrimSpace(out) == "" {
		t.Errorf("resume of what has ended: exit code %d\n%s", code, out)
	}
}

// testLeader: when the replica that works leaves, the other one takes over.
func testLeader(t *testing.T, w world) {
	holder := func() string {
		return w.shop("get", "lease", "haldane-controller", "-o", "jsonpath={.spec.holderIdentity}")
	}
	before := holder()
	pod, _, ok := strings.Cut(before, "_")
	if !ok {
		t.Fatalf("the lease is held by %q", before)
	}
	w.shop("delete", "pod", pod)
	w.Eventually(patience, "another replica works", func() error {
		if now := holder(); now == "" || now == before {
			return fmt.Errorf("the lease is held by %q", now)
		}
		return nil
	})
	w.shop("set", "image", "deployment/churn", "model=churn:good") // what stable runs
	w.status("canary.version", "good")
	w.status("phase", "Promoted")
}

// testDeletion puts everything back: the user's Deployment serves, and what
// Haldane has made is gone.
func testDeletion(t *testing.T, w world) {
	w.shop("delete", "modelrollout", "churn", "--timeout="+patience.String())
	if got := w.shop("get", "deployment", "churn", "-o", "jsonpath={.status.availableReplicas}"); got != "2" {
		t.Errorf("%s pods of churn are available", got)
	}
	w.Eventually(patience, "what Haldane has made is gone", func() error {
		if left := w.shop("get", "deployments,services,httproutes,rolloutstates", "-l", "haldane.dev/rollout=churn", "-o", "name"); left != "" {
			return fmt.Errorf("left: %s", left)
		}
		return nil
	})
}
