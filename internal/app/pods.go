package app

import (
	"context"
	"fmt"
	"regexp"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/haldane-dev/haldane/internal/cluster"
	"github.com/haldane-dev/haldane/internal/reading"
	"github.com/haldane-dev/haldane/internal/traffic"
)

// podNames is a regular expression of the names of a Deployment's pods, as a
// ReplicaSet names them. template is their pod-template-hash, "" for any.
func podNames(deployment, template string) string {
	if template = regexp.QuoteMeta(template); template == "" {
		template = "[0-9a-z]+"
	}
	return regexp.QuoteMeta(deployment) + "-" + template + "-[0-9a-z]{5}"
}

// thisCandidate reads a number of the candidate's pods of the one template that
// has its turn. Pods of the candidate before it have been of the same Deployment,
// and a rate still tells of them for as long as it looks back.
type thisCandidate struct {
	reading.Reader
	r cluster.Rollout
}

// Read implements reading.Reader.
func (c thisCandidate) Read(ctx context.Context, of reading.Vars, at time.Time) (reading.Value, error) {
	if of.Arm == traffic.Canary.String() {
		template, err := c.template(ctx)
		if err != nil {
			return reading.Value{}, err
		}
		of.Pods = podNames(c.r.Spec.Workload.Name, template)
	}
	return c.Reader.Read(ctx, of, at)
}

// template is that of the pods that the candidate's Service leads to, "" if it
// leads to those of no template.
func (c thisCandidate) template(ctx context.Context) (string, error) {
	var s corev1.Service
	err := c.r.Client.Get(ctx, client.ObjectKey{Namespace: c.r.Namespace, Name: c.r.CanaryService()}, &s)
	if err != nil && !apierrors.IsNotFound(err) {
		return "", fmt.Errorf("read Service %s: %w", c.r.CanaryService(), err)
	}
	return s.Spec.Selector[appsv1.DefaultDeploymentUniqueLabelKey], nil
}
