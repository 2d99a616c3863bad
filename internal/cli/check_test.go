package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"
)

func TestCheck(t *testing.T) {
	withChecks := write(t, valid+"  analysis: {checks: [{name: golden, request: {path: /ping}}]}\n")
	passed := CheckResult{Check: "golden", Arm: "stable", Version: "v1", Passed: true, Seconds: 0.0123}
	failed := CheckResult{Check: "golden", Arm: "canary", Version: "v2", Message: "is wrong", Seconds: 1}
	call := func(results []CheckResult, args ...string) (code int, out, errOut string) {
		var stdout, stderr bytes.Buffer
		code = Main(t.Context(), append([]string{"check"}, args...), &stdout, &stderr, Program{
			Check: func(_ context.Context, o CheckOptions) ([]CheckResult, error) {
				if o.Rollout == nil || o.Dir == "" || o.Wait == 0 {
					t.Errorf("check got %+v", o)
				}
				return results, nil
			},
		})
		return code, stdout.String(), stderr.String()
	}
	code, out, _ := call([]CheckResult{passed, failed}, "-f", withChecks)
	want := "CHECK   ARM     VERSION  TIME    RESULT\ngolden  stable  v1       12.3ms  passed\ngolden  canary  v2       1s      FAILED: is wrong\n"
	if code != exitFailed || out != want {
		t.Errorf("code %d\n%s", code, out)
	}
	// What stable cannot do is not the candidate's fault.
	failed.Arm, passed.Arm = "stable", "canary"
	if code, _, _ := call([]CheckResult{failed, passed}, "-f", withChecks); code != exitOK {
		t.Errorf("code %d", code)
	}
	code, out, _ = call([]CheckResult{passed}, "-f", withChecks, "-o", "json")
	var got []CheckResult
	if err := json.Unmarshal([]byte(out), &got); err != nil || code != exitOK || len(got) != 1 || got[0] != passed {
		t.Errorf("code %d, %v, %s", code, err, out)
	}
	for says, args := range map[string][]string{
		"give its file with -f": nil,
		"has no checks":         {"-f", write(t, valid)},
		"spec.analysis.checks[0].expect: line 1, column 1: undeclared reference to 'statu'": {"-f",
			write(t, valid+"  analysis: {checks: [{name: golden, request: {path: /ping}, expect: statu == 200}]}\n")},
	} {
		if code, _, errOut := call(nil, args...); code != exitUsage || !strings.Contains(errOut, says) {
			t.Errorf("code %d: %s", code, errOut)
		}
	}
}
