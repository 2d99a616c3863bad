package e2e

import (
	"context"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

func (s *space) deployment(name string) (*appsv1.Deployment, error) {
	var d appsv1.Deployment
	err := s.api.Get(context.Background(), client.ObjectKey{Namespace: s.name, Name: name}, &d)
	return &d, err
}

// replicas says what is wrong if a Deployment is not to have, or has not, n pods.
func (s *space) replicas(name string, n int32) error {
	d, err := s.deployment(name)
	if err == nil && (*d.Spec.Replicas != n || d.Status.Replicas != n) {
		err = fmt.Errorf("deployment %s is to have %d pods and has %d, want %d", name, *d.Spec.Replicas, d.Status.Replicas, n)
	}
	return err
}

// image says what is wrong if a Deployment runs another image.
func (s *space) image(name, image string) error {
	d, err := s.deployment(name)
	if err == nil && d.Spec.Template.Spec.Containers[0].Image != image {
		err = fmt.Errorf("deployment %s runs %s, want %s", name, d.Spec.Template.Spec.Containers[0].Image, image)
	}
	return err
}
