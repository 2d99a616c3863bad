package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/haldane-dev/haldane/api/v1alpha1"
	"github.com/haldane-dev/haldane/internal/check"
	"github.com/haldane-dev/haldane/internal/cluster"
	"github.com/haldane-dev/haldane/internal/experiment"
	"github.com/haldane-dev/haldane/internal/rollout"
	"github.com/haldane-dev/haldane/internal/router/object"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// arms is how the arms of a rollout are asked, past the split.
type arms struct {
	address  check.Addresses
	variants []check.Arm // beside stable and the candidate
	// file reads a file of this machine, at once; nil on a cluster.
	file func(name string) ([]byte, error)
	// key reads a key of a ConfigMap, whenever it is needed; nil on one machine.
	key func(context.Context, v1alpha1.ConfigMapKey) ([]byte, error)
	// secrets are read whenever they are needed.
	secrets secrets
}

// token is what stands in Authorization, "" if nothing does.
func (a arms) token(ctx context.Context, from *v1alpha1.SecretFrom) (string, error) {
	if from == nil {
		return "", nil
	}
	secret, err := a.secrets(ctx, *from)
	if err != nil {
		return "", err
	}
	return "Bearer " + string(secret), nil
}

// maxFile bounds the files that are sent as bodies, in bytes.
const maxFile = 16 << 20

// localArms are those of this machine; files are relative to dir.
func localArms(w models, dir string, of ...experiment.Arm) arms {
	return arms{
		variants: variantArms(of), secrets: localSecrets(dir),
		address: func(_ context.Context, arm traffic.Arm, _ check.Check) (string, error) {
			if at := w.URL(arm); at != "" {
				return at, nil
			}
			return "", errors.New("its process has no address yet")
		},
		file: func(name string) ([]byte, error) {
			info, err := os.Stat(within(dir, name))
			if err != nil {
				return nil, err
			}
			if info.Size() > maxFile {
				return nil, fmt.Errorf("%s has %d bytes: at most %d are sent", name, info.Size(), maxFile)
			}
			return os.ReadFile(within(dir, name))
		},
	}
}

// variantArms are the arms of an experiment beside stable and the candidate.
func variantArms(of []experiment.Arm) []check.Arm {
	var out []check.Arm
	for i, a := range of {
		out = append(out, check.Arm{Arm: traffic.Arm(traffic.NumArms + i), Name: "arm " + a.Name})
	}
	return out
}

// clusterArms are the Services of both arms.
func clusterArms(r cluster.Rollout) arms {
	var further []experiment.Arm
	if x := r.Spec.Strategy.Experiment; x != nil && len(x.Arms) > traffic.NumArms {
		for _, a := range x.Arms[traffic.NumArms:] {
			further = append(further, experiment.Arm{Name: a.Name})
		}
	}
	return arms{
		secrets:  clusterSecrets(r),
		variants: variantArms(further),
		address: func(ctx context.Context, arm traffic.Arm, c check.Check) (string, error) {
			port, protocol := int32(c.Port), "http"
			if c.GRPC {
				protocol = "grpc"
			}
			name, from := r.StableService(), r.StableService()
			switch i := int(arm) - traffic.NumArms; {
			case arm == traffic.Canary:
				name = r.CanaryService()
			case i >= 0 && i < len(further):
				name = r.Spec.Workload.Variants[further[i].Name].Service
				from = name
			}
			if port == 0 {
				var err error
				if port, err = object.PortOf(ctx, r, from, protocol); err != nil {
					return "", err
				}
			}
			return "http://" + net.JoinHostPort(name+"."+r.Namespace+".svc", strconv.Itoa(int(port))), nil
		},
		key: func(ctx context.Context, k v1alpha1.ConfigMapKey) ([]byte, error) {
			var m corev1.ConfigMap
			if err := r.Client.Get(ctx, client.ObjectKey{Namespace: r.Namespace, Name: k.ConfigMap}, &m); err != nil {
				return nil, fmt.Errorf("read ConfigMap %s: %w", k.ConfigMap, err)
			}
			if text, ok := m.Data[k.Key]; ok {
				return []byte(text), nil
			}
			if data, ok := m.BinaryData[k.Key]; ok {
				return data, nil
			}
			return nil, fmt.Errorf("ConfigMap %s has no key %s", k.ConfigMap, k.Key)
		},
	}
}

// checkRules are the checks of a valid file without what sends them: enough to
// plan with.
func checkRules(m *v1alpha1.ModelRollout) []check.Check {
	var out []check.Check
	for _, c := range m.Spec.Analysis.Checks {
		out = append(out, check.Check{
			Name: c.Name, Every: c.Every.Duration, Timeout: c.Timeout.Duration, Failures: int(c.Failures),
			Effect: rollout.Effect(c.Effect), Both: c.Against == "both", Port: int(c.Port),
			Start: slices.Contains(c.When, v1alpha1.CheckStart), Running: slices.Contains(c.When, v1alpha1.CheckRunning),
			GRPC: c.GRPC != nil || c.OpenInference != nil && c.OpenInference.GRPC,
		})
	}
	return out
}

// checks are those of a valid file. The error names the field whose file cannot
// be used.
func checks(m *v1alpha1.ModelRollout, by arms) ([]check.Check, error) {
	out := checkRules(m)
	for i, c := range m.Spec.Analysis.Checks {
		var err error
		switch {
		case c.Request != nil:
			out[i].Probe, err = requestProbe(c, by)
		case c.GRPC != nil:
			out[i].Probe = check.GRPCHealth(c.Name, c.GRPC.Service)
		default:
			out[i].Probe = check.OpenInference(c.Name, c.OpenInference.Model, c.OpenInference.GRPC, nil)
		}
		if err != nil {
			return nil, fmt.Errorf("spec.analysis.checks[%d].%w", i, err)
		}
	}
	return out, nil
}

// requestProbe sends the request of a check. What is in ConfigMaps and Secrets is
// read each time, so that an edit counts and one that comes late does no harm.
func requestProbe(c v1alpha1.Check, by arms) (check.Probe, error) {
	program, err := v1alpha1.CheckExpression(c.Expect)
	if err != nil {
		return nil, fmt.Errorf("expect: %w", err)
	}
	expect := []check.Expect{expression(c.Expect, program)}
	r := check.Request{Method: c.Request.Method, Path: c.Request.Path, Header: texts(c.Request.Headers)}
	body, err := content(by, "request.bodyFile", c.Request.BodyFile, c.Request.JSON, []byte(c.Request.Body))
	if err != nil {
		return nil, err
	}
	r.Body = body
	golden, from := c.Golden, (*v1alpha1.ConfigMapKey)(nil)
	if golden != nil {
		from = golden.From
	}
	if golden != nil && from == nil {
		want, err := content(by, "golden.file", golden.File, golden.JSON, nil)
		if err != nil {
			return nil, err
		}
		same, err := check.Golden(want, *golden.Tolerance)
		if err != nil {
			return nil, fmt.Errorf("golden: %w", err)
		}
		expect = append(expect, same)
	}
	if c.Request.BodyFrom == nil && c.Request.TokenFrom == nil && from == nil {
		return check.HTTP(c.Name, r, nil, expect...), nil
	}
	return func(ctx context.Context, address string) error {
		r, expect := r, slices.Clone(expect)
		if k := c.Request.BodyFrom; k != nil {
			body, err := by.key(ctx, *k)
			if err != nil {
				return check.Unsent(err)
			}
			r.Body = body
		}
		if token, err := by.token(ctx, c.Request.TokenFrom); err != nil {
			return check.Unsent(err)
		} else if token != "" {
			r.Header = maps.Clone(r.Header)
			r.Header["Authorization"] = token
		}
		if from != nil {
			want, err := by.key(ctx, *from)
			if err != nil {
				return check.Unsent(err)
			}
			same, err := check.Golden(want, *golden.Tolerance)
			if err != nil {
				return check.Unsent(fmt.Errorf("key %s of ConfigMap %s %w", from.Key, from.ConfigMap, err))
			}
			expect = append(expect, same)
		}
		return check.HTTP(c.Name, r, nil, expect...)(ctx, address)
	}, nil
}

// content is what a file says in one of three ways; field names that of a file.
func content(by arms, field, file string, inline json.RawMessage, text []byte) ([]byte, error) {
	switch {
	case inline != nil:
		return inline, nil
	case file != "":
		data, err := by.file(file)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", field, err)
		}
		return data, nil
	}
	return text, nil
}

// expression expects a program to be true of an answer.
func expression(source string, program cel.Program) check.Expect {
	return func(a check.Answer) error {
		headers := make(map[string]string, len(a.Header))
		for name, values := range a.Header {
			headers[strings.ToLower(name)] = strings.Join(values, ", ")
		}
		out, _, err := program.Eval(map[string]any{
			"status": a.Status, "headers": headers, "text": string(a.Body), "latency": a.Latency,
			"body": func() any { // read only if the expression asks for it
				var v any
				if json.Unmarshal(a.Body, &v) != nil {
					return nil
				}
				return v
			},
		})
		if err != nil {
			return fmt.Errorf("does not let %q be told (%w)", source, err)
		}
		if good, ok := out.(types.Bool); ok && bool(good) {
			return nil
		}
		if _, ok := out.(types.Bool); !ok {
			return fmt.Errorf("makes %q %v, which is neither true nor false", source, reflect.TypeOf(out.Value()))
		}
		return fmt.Errorf("does not meet %q", source)
	}
}
