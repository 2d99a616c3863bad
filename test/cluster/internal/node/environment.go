package node

import (
	"context"
	"fmt"
	"sort"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/haldane-dev/haldane/test/cluster/internal/layout"
)

// callTimeout bounds a question to the API server.
const callTimeout = 10 * time.Second

func callContext() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), callTimeout)
}

// environment is a container's environment, by name.
type environment map[string]string

func (e environment) list() []string {
	list := make([]string, 0, len(e))
	for name, value := range e {
		list = append(list, name+"="+value)
	}
	sort.Strings(list)
	return list
}

// environment puts together what the container's process sees: the image's
// variables, then those of envFrom, then those of env, each of which may refer
// to the ones before it.
func (c *container) environment(image Image) (environment, error) {
	env := environment{
		"PATH":                    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"HOME":                    "/",
		"HOSTNAME":                c.w.hostname(),
		"KUBERNETES_SERVICE_HOST": layout.ClusterIP,
		"KUBERNETES_SERVICE_PORT": "443",
	}
	for name, value := range image.Env {
		env[name] = value
	}
	for _, from := range c.spec.EnvFrom {
		data, err := c.w.source(from.ConfigMapRef, from.SecretRef)
		if err != nil {
			return nil, err
		}
		for name, value := range data {
			env[from.Prefix+name] = string(value)
		}
	}
	for _, v := range c.spec.Env {
		value, set, err := c.value(v, env)
		if err != nil {
			return nil, fmt.Errorf("the variable %s: %w", v.Name, err)
		}
		if set {
			env[v.Name] = value
		}
	}
	return env, nil
}

// source reads all of a ConfigMap or Secret.
func (w *worker) source(configMap *corev1.ConfigMapEnvSource, secret *corev1.SecretEnvSource) (map[string][]byte, error) {
	switch {
	case configMap != nil:
		return w.configMap(configMap.Name, configMap.Optional)
	case secret != nil:
		return w.secret(secret.Name, secret.Optional)
	default:
		return nil, nil
	}
}

func (c *container) value(v corev1.EnvVar, env environment) (value string, set bool, err error) {
	from := v.ValueFrom
	if from == nil {
		return env.expand(v.Value), true, nil
	}
	switch {
	case from.FieldRef != nil:
		value, err = c.w.field(from.FieldRef.FieldPath)
		return value, true, err
	case from.ResourceFieldRef != nil:
		value, err = resourceField(c.spec, from.ResourceFieldRef)
		return value, true, err
	case from.ConfigMapKeyRef != nil:
		ref := from.ConfigMapKeyRef
		data, err := c.w.configMap(ref.Name, ref.Optional)
		return pick(data, ref.Key, "ConfigMap "+ref.Name, ref.Optional, err)
	case from.SecretKeyRef != nil:
		ref := from.SecretKeyRef
		data, err := c.w.secret(ref.Name, ref.Optional)
		return pick(data, ref.Key, "Secret "+ref.Name, ref.Optional, err)
	default:
		return "", false, fmt.Errorf("its source is of a kind this node does not know")
	}
}

func pick(data map[string][]byte, key, where string, optional *bool, err error) (string, bool, error) {
	if err != nil {
		return "", false, err
	}
	value, ok := data[key]
	if !ok && (optional == nil || !*optional) {
		return "", false, fmt.Errorf("couldn't find key %s in %s", key, where)
	}
	return string(value), ok, nil
}

// configMap returns the data of a ConfigMap in the pod's namespace; nothing,
// without an error, if it does not exist and need not.
func (w *worker) configMap(name string, optional *bool) (map[string][]byte, error) {
	return w.recall("configmap/"+name, optional, func(ctx context.Context) (map[string][]byte, error) {
		cm, err := w.agent.Client.CoreV1().ConfigMaps(w.pod.Namespace).Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return nil, err
		}
		data := map[string][]byte{}
		for key, value := range cm.Data {
			data[key] = []byte(value)
		}
		for key, value := range cm.BinaryData {
			data[key] = value
		}
		return data, nil
	})
}

// secret is configMap for Secrets.
func (w *worker) secret(name string, optional *bool) (map[string][]byte, error) {
	return w.recall("secret/"+name, optional, func(ctx context.Context) (map[string][]byte, error) {
		s, err := w.agent.Client.CoreV1().Secrets(w.pod.Namespace).Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return nil, err
		}
		return s.Data, nil
	})
}

// recall calls get and keeps what it returns. While the API server does not
// answer, what it answered last is good enough to start a container again.
func (w *worker) recall(what string, optional *bool, get func(context.Context) (map[string][]byte, error)) (map[string][]byte, error) {
	ctx, cancel := callContext()
	defer cancel()
	data, err := get(ctx)
	missing := apierrors.IsNotFound(err)
	w.mu.Lock()
	defer w.mu.Unlock()
	switch known, ok := w.known[what]; {
	case err == nil:
		w.known[what] = data
		return data, nil
	case missing && optional != nil && *optional:
		return nil, nil
	case ok && !missing && !apierrors.IsForbidden(err):
		return known, nil
	default:
		return nil, err
	}
}

// expand replaces $(NAME) by the variable's value; $$ stands for $, and a name
// that is not set stays as it is written.
func (e environment) expand(text string) string {
	var out strings.Builder
	for {
		before, after, found := strings.Cut(text, "$")
		out.WriteString(before)
		if !found {
			return out.String()
		}
		name, rest, closed := strings.Cut(strings.TrimPrefix(after, "("), ")")
		switch {
		case strings.HasPrefix(after, "$"):
			out.WriteByte('$')
			text = after[1:]
		case strings.HasPrefix(after, "(") && closed:
			if value, ok := e[name]; ok {
				out.WriteString(value)
			} else {
				out.WriteString("$(" + name + ")")
			}
			text = rest
		default:
			out.WriteByte('$')
			text = after
		}
	}
}

func (e environment) expandAll(texts []string) []string {
	out := make([]string, len(texts))
	for i, t := range texts {
		out[i] = e.expand(t)
	}
	return out
}
