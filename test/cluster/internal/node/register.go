package node

import (
	"context"
	"fmt"
	"runtime"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/haldane-dev/haldane/test/cluster/internal/layout"
)

// heartbeatInterval keeps the node's lease fresh: the controller manager
// gives a node up after 50 seconds without one.
const heartbeatInterval = 10 * time.Second

// register creates the Node and reports it ready.
func (a *Agent) register(ctx context.Context) error {
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{
		Name: layout.NodeName,
		Labels: map[string]string{
			corev1.LabelHostname:   layout.NodeName,
			corev1.LabelOSStable:   runtime.GOOS,
			corev1.LabelArchStable: runtime.GOARCH,
		},
	}}
	nodes := a.Client.CoreV1().Nodes()
	if _, err := nodes.Create(ctx, node, metav1.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("register the node: %w", err)
	}
	node, err := nodes.Get(ctx, layout.NodeName, metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("read the node back: %w", err)
	}
	if node.Status, err = a.nodeStatus(); err != nil {
		return err
	}
	if _, err := nodes.UpdateStatus(ctx, node, metav1.UpdateOptions{}); err != nil {
		return fmt.Errorf("report the node ready: %w", err)
	}
	return nil
}

func (a *Agent) nodeStatus() (corev1.NodeStatus, error) {
	capacity := corev1.ResourceList{
		corev1.ResourceCPU:              resource.MustParse("64"),
		corev1.ResourceMemory:           resource.MustParse("256Gi"),
		corev1.ResourceEphemeralStorage: resource.MustParse("1Ti"),
		corev1.ResourcePods:             resource.MustParse("2000"),
	}
	for name, amount := range a.Resources {
		q, err := resource.ParseQuantity(amount)
		if err != nil {
			return corev1.NodeStatus{}, fmt.Errorf("the node's resource %s: %w", name, err)
		}
		capacity[corev1.ResourceName(name)] = q
	}
	status := corev1.NodeStatus{
		Capacity:        capacity,
		Allocatable:     capacity,
		Addresses:       []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: layout.NodeIP}, {Type: corev1.NodeHostName, Address: layout.NodeName}},
		DaemonEndpoints: corev1.NodeDaemonEndpoints{KubeletEndpoint: corev1.DaemonEndpoint{Port: layout.KubeletPort}},
		NodeInfo: corev1.NodeSystemInfo{
			KubeletVersion: "v1.37.2", OperatingSystem: runtime.GOOS, Architecture: runtime.GOARCH,
			ContainerRuntimeVersion: "process://1", OSImage: "processes of this machine",
		},
	}
	now := metav1.Now()
	for _, kind := range []corev1.NodeConditionType{corev1.NodeReady, corev1.NodeMemoryPressure, corev1.NodeDiskPressure, corev1.NodePIDPressure} {
		c := corev1.NodeCondition{Type: kind, Status: corev1.ConditionFalse, Reason: "KubeletHasSufficientResources", LastHeartbeatTime: now, LastTransitionTime: now}
		if kind == corev1.NodeReady {
			c.Status, c.Reason = corev1.ConditionTrue, "KubeletReady"
		}
		status.Conditions = append(status.Conditions, c)
	}
	return status, nil
}

// heartbeat renews the node's lease until ctx ends. While the API server is
// away it simply tries again.
func (a *Agent) heartbeat(ctx context.Context) {
	ticker := time.NewTicker(heartbeatInterval)
	defer ticker.Stop()
	for {
		if err := a.renewLease(ctx); err != nil {
			a.Log.Warn("renew the node's lease", "err", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

func (a *Agent) renewLease(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, heartbeatInterval)
	defer cancel()
	leases := a.Client.CoordinationV1().Leases(corev1.NamespaceNodeLease)
	holder, seconds, now := layout.NodeName, int32(40), metav1.NewMicroTime(time.Now())
	lease, err := leases.Get(ctx, layout.NodeName, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		_, err = leases.Create(ctx, &coordinationv1.Lease{
			ObjectMeta: metav1.ObjectMeta{Name: layout.NodeName},
			Spec:       coordinationv1.LeaseSpec{HolderIdentity: &holder, LeaseDurationSeconds: &seconds, RenewTime: &now},
		}, metav1.CreateOptions{})
		return err
	} else if err != nil {
		return err
	}
	lease.Spec.RenewTime = &now
	_, err = leases.Update(ctx, lease, metav1.UpdateOptions{})
	return err
}
