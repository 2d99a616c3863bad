package node

import (
	"fmt"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// projected reads every source of a projected volume.
func (w *worker) projected(p *corev1.ProjectedVolumeSource, tokens *tokenCache) (map[string]file, error) {
	all := map[string]file{}
	for _, s := range p.Sources {
		files, err := w.projectedSource(s, p.DefaultMode, tokens)
		if err != nil {
			return nil, err
		}
		for name, f := range files {
			all[name] = f
		}
	}
	return all, nil
}

func (w *worker) projectedSource(s corev1.VolumeProjection, mode *int32, tokens *tokenCache) (map[string]file, error) {
	switch {
	case s.ConfigMap != nil:
		data, err := w.configMap(s.ConfigMap.Name, s.ConfigMap.Optional)
		return choose(data, s.ConfigMap.Items, mode, "configmap "+s.ConfigMap.Name, s.ConfigMap.Optional, err)
	case s.Secret != nil:
		data, err := w.secret(s.Secret.Name, s.Secret.Optional)
		return choose(data, s.Secret.Items, mode, "secret "+s.Secret.Name, s.Secret.Optional, err)
	case s.DownwardAPI != nil:
		return w.downward(s.DownwardAPI.Items, mode)
	case s.ServiceAccountToken != nil:
		token, err := tokens.get(s.ServiceAccountToken)
		return map[string]file{s.ServiceAccountToken.Path: {[]byte(token), 0o600}}, err
	default:
		return nil, fmt.Errorf("a projected source of this kind cannot be had on this cluster")
	}
}

// tokenCache keeps the token of one service account projection until four
// fifths of its life are over. One goroutine uses it at a time.
type tokenCache struct {
	w     *worker
	token string
	renew time.Time
}

func (t *tokenCache) get(p *corev1.ServiceAccountTokenProjection) (string, error) {
	if t.token != "" && time.Now().Before(t.renew) {
		return t.token, nil
	}
	pod := t.w.pod
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{
		ExpirationSeconds: p.ExpirationSeconds,
		BoundObjectRef:    &authenticationv1.BoundObjectReference{Kind: "Pod", APIVersion: "v1", Name: pod.Name, UID: pod.UID},
	}}
	if p.Audience != "" {
		request.Spec.Audiences = []string{p.Audience}
	}
	ctx, cancel := callContext()
	defer cancel()
	made, err := t.w.agent.Client.CoreV1().ServiceAccounts(pod.Namespace).CreateToken(ctx, pod.Spec.ServiceAccountName, request, metav1.CreateOptions{})
	if err != nil {
		return "", fmt.Errorf("get a token of the service account %s: %w", pod.Spec.ServiceAccountName, err)
	}
	life := time.Until(made.Status.ExpirationTimestamp.Time)
	t.token, t.renew = made.Status.Token, time.Now().Add(life*4/5)
	return t.token, nil
}
