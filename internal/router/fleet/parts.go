package fleetrouter

import (
	"encoding/json"
	"fmt"
	"net"
	"strconv"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/haldane-dev/haldane/api/v1alpha1"
)

const (
	// LabelGateway, on gateways, is the rollout whose traffic they split.
	LabelGateway = "haldane.dev/gateway"

	peersSuffix = "-peers"
	keyName     = "key" // in the Secret
	keyFolder   = "/etc/haldane"
	tokenName   = "token" // of the file and its volume
	tokenFolder = "/etc/haldane-token"
	stateFolder = "/var/lib/haldane"
	// endWithin is more than a gateway lingers and drains.
	endWithin = 45
)

// parts are the objects around the gateways, but the table and the Secret, in
// the order in which they end. port is that of the model's Service.
func (r *Router) parts(secret string, port int32) []client.Object {
	return []client.Object{r.front(port), r.deployment(secret), r.headless(), r.budget()}
}

func (r *Router) labels() map[string]string {
	return map[string]string{
		"app.kubernetes.io/name": "haldane-gateway", "app.kubernetes.io/managed-by": "haldane", LabelGateway: r.rollout.Name,
	}
}

func (r *Router) selector() map[string]string { return map[string]string{LabelGateway: r.rollout.Name} }

func (r *Router) about(name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: r.rollout.Namespace, Name: name, Labels: r.labels()}
}

// front is the Service that clients call. It has the port of the model's own, so
// that they need another name only.
func (r *Router) front(port int32) *corev1.Service {
	return &corev1.Service{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Service"}, ObjectMeta: r.about(r.name),
		Spec: corev1.ServiceSpec{Selector: r.selector(), Ports: []corev1.ServicePort{
			{Name: "http", Protocol: corev1.ProtocolTCP, Port: port, TargetPort: intstr.FromString("http")},
		}},
	}
}

// headless is by what replicas find each other: those that are ready.
func (r *Router) headless() *corev1.Service {
	return &corev1.Service{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Service"}, ObjectMeta: r.about(r.name + peersSuffix),
		Spec: corev1.ServiceSpec{ClusterIP: corev1.ClusterIPNone, Selector: r.selector(), Ports: []corev1.ServicePort{
			{Name: "ops", Protocol: corev1.ProtocolTCP, Port: r.ops(), TargetPort: intstr.FromString("ops")},
		}},
	}
}

// budget lets nodes be drained, one gateway at a time.
func (r *Router) budget() *policyv1.PodDisruptionBudget {
	return &policyv1.PodDisruptionBudget{
		TypeMeta: metav1.TypeMeta{APIVersion: "policy/v1", Kind: "PodDisruptionBudget"}, ObjectMeta: r.about(r.name),
		Spec: policyv1.PodDisruptionBudgetSpec{
			MaxUnavailable: ptr.To(intstr.FromInt32(1)), Selector: &metav1.LabelSelector{MatchLabels: r.selector()},
		},
	}
}

// port is that of an address.
func port(listen string) int32 {
	if _, text, err := net.SplitHostPort(listen); err == nil {
		if n, err := strconv.ParseUint(text, 10, 16); err == nil && n > 0 {
			return int32(n)
		}
	}
	return 8080
}

// ops is the port of everything but clients.
func (r *Router) ops() int32 {
	if r.listen == 8081 {
		return 8082
	}
	return 8081
}

// settings are what a gateway must know of the rollout before it begins. Other
// settings are another pod template: gateways are replaced one by one.
func (r *Router) settings() string {
	s := r.rollout.Spec
	m := v1alpha1.ModelRollout{}
	m.Name, m.Namespace = r.rollout.Name, r.rollout.Namespace
	if f := r.flag(); f != nil {
		// The rest is in the table, and the token in a file.
		m.Spec.Routing.Flag = &v1alpha1.Flag{Key: f.Key}
	} else {
		routing := *s.Routing.Gateway
		routing.Fleet = nil // the number of replicas is nothing to them
		m.Spec.Routing = v1alpha1.Routing{Gateway: &routing, StickyBy: s.Routing.StickyBy, Country: s.Routing.Country}
	}
	m.Spec.Inference = s.Inference
	m.Spec.Analysis.Interval, m.Spec.Analysis.Metrics = s.Analysis.Interval, s.Analysis.Metrics
	if x := s.Strategy.Experiment; x != nil { // what is counted, and for how many arms
		m.Spec.Strategy.Experiment = &v1alpha1.Experiment{Goal: x.Goal}
		for _, a := range x.Arms {
			m.Spec.Strategy.Experiment.Arms = append(m.Spec.Strategy.Experiment.Arms, v1alpha1.ExperimentArm{Name: a.Name})
		}
	}
	text, err := json.Marshal(m)
	if err != nil {
		panic("fleetrouter: a spec that came as JSON is not JSON: " + err.Error())
	}
	return string(text)
}

func (r *Router) deployment(secret string) *appsv1.Deployment {
	replicas := r.fleet.Replicas
	return &appsv1.Deployment{
		TypeMeta: metav1.TypeMeta{APIVersion: "apps/v1", Kind: "Deployment"}, ObjectMeta: r.about(r.name),
		Spec: appsv1.DeploymentSpec{
			Replicas: &replicas,
			Selector: &metav1.LabelSelector{MatchLabels: r.selector()},
			Strategy: appsv1.DeploymentStrategy{
				Type:          appsv1.RollingUpdateDeploymentStrategyType,
				RollingUpdate: &appsv1.RollingUpdateDeployment{MaxUnavailable: ptr.To(intstr.FromInt32(0)), MaxSurge: ptr.To(intstr.FromInt32(1))},
			},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: r.labels(), Annotations: map[string]string{
					"prometheus.io/scrape": "true", "prometheus.io/port": strconv.Itoa(int(r.ops())), "prometheus.io/path": "/metrics",
				}},
				Spec: r.pod(secret),
			},
		},
	}
}

// pod is what a namespace that enforces the restricted pod security standard
// takes.
func (r *Router) pod(secret string) corev1.PodSpec {
	out := corev1.PodSpec{
		ServiceAccountName:            r.cfg.User,
		TerminationGracePeriodSeconds: ptr.To[int64](endWithin),
		SecurityContext: &corev1.PodSecurityContext{
			RunAsNonRoot: ptr.To(true), SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
		},
		TopologySpreadConstraints: []corev1.TopologySpreadConstraint{{
			MaxSkew: 1, TopologyKey: corev1.LabelHostname, WhenUnsatisfiable: corev1.ScheduleAnyway,
			LabelSelector: &metav1.LabelSelector{MatchLabels: r.selector()},
		}},
		Containers: []corev1.Container{r.container()},
		Volumes: []corev1.Volume{
			{Name: "key", VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: secret}}},
			{Name: "state", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}},
		},
	}
	if f := r.flag(); f != nil {
		present(&out, f.TokenFrom)
	}
	return out
}

// present lets a gateway know what callers must present: the kubelet puts it into
// a file and keeps it current, so that nobody needs to be allowed to read Secrets.
func present(pod *corev1.PodSpec, from *v1alpha1.SecretFrom) {
	pod.Volumes = append(pod.Volumes, corev1.Volume{Name: tokenName, VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{
		SecretName: from.Name, Items: []corev1.KeyToPath{{Key: from.Key, Path: tokenName}},
	}}})
	c := &pod.Containers[0]
	c.Args = append(c.Args, "--token", tokenFolder+"/"+tokenName)
	c.VolumeMounts = append(c.VolumeMounts, corev1.VolumeMount{Name: tokenName, MountPath: tokenFolder, ReadOnly: true})
}

func (r *Router) container() corev1.Container {
	probe := func(path string, failures int32) *corev1.Probe {
		return &corev1.Probe{
			ProbeHandler:     corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: path, Port: intstr.FromString("ops")}},
			PeriodSeconds:    2,
			TimeoutSeconds:   2,
			FailureThreshold: failures,
		}
	}
	return corev1.Container{
		Name: "gateway", Image: r.cfg.Image,
		Args: []string{
			"gateway", "--table", r.name, "--peers", r.name + peersSuffix,
			"--listen", fmt.Sprintf(":%d", r.listen), "--ops", fmt.Sprintf(":%d", r.ops()),
			"--key", keyFolder + "/" + keyName, "--state", stateFolder + "/gateway.db",
		},
		Env: []corev1.EnvVar{
			{Name: "HALDANE_GATEWAY_SETTINGS", Value: r.settings()},
			{Name: "POD_IP", ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: "status.podIP"}}},
		},
		Ports: []corev1.ContainerPort{
			{Name: "http", ContainerPort: r.listen, Protocol: corev1.ProtocolTCP},
			{Name: "ops", ContainerPort: r.ops(), Protocol: corev1.ProtocolTCP},
		},
		ReadinessProbe: probe("/readyz", 2), LivenessProbe: probe("/healthz", 15),
		Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{
			corev1.ResourceCPU: resource.MustParse("100m"), corev1.ResourceMemory: resource.MustParse("64Mi"),
		}},
		SecurityContext: &corev1.SecurityContext{
			AllowPrivilegeEscalation: ptr.To(false), ReadOnlyRootFilesystem: ptr.To(true),
			Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
		},
		VolumeMounts: []corev1.VolumeMount{
			{Name: "key", MountPath: keyFolder, ReadOnly: true},
			{Name: "state", MountPath: stateFolder},
		},
	}
}
