package e2e

// istioMesh is a VirtualService of Haldane's own, which istiod hands to a
// client without a sidecar: a pod that calls the model by gRPC, xds:///….
var istioMesh = driver{
	name: "istio", sources: []source{models},
	routing: `{istio: {virtualService: churn, hosts: [churn]}}`,
	before: `
apiVersion: apps/v1
kind: Deployment
metadata: {name: caller, namespace: NAMESPACE}
spec:
  selector: {matchLabels: {app: caller}}
  template:
    metadata: {labels: {app: caller}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: caller
        image: caller:e2e
        args: [call, "xds:///churn.NAMESPACE.svc.cluster.local:9000"]
        env:
        - {name: POD_IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}
        - {name: GRPC_XDS_BOOTSTRAP_CONFIG, value: 'SETTINGS'}
        readinessProbe: {httpGet: {path: /, port: 8080}, periodSeconds: 1}
---
apiVersion: v1
kind: Service
metadata: {name: caller, namespace: NAMESPACE}
spec:
  selector: {app: caller}
  ports: [{port: 80, targetPort: 8080}]
`,
	replicas: 2, ladder: ladder, shares: shares,
	send: func(s *space) sender { return byService(s.Cluster, "caller."+s.name) },
	tamper: func(s *space) {
		s.kubectl("patch", "virtualservice", "churn", "--type=json", "-p",
			`[{"op": "replace", "path": "/spec/http/0/route/0/weight", "value": 1}, {"op": "replace", "path": "/spec/http/0/route/1/weight", "value": 99}]`)
	},
	tampered: func(s *space) error {
		return s.is("virtualservice/churn", "{.spec.http[0].route[*].weight}", "50 50")
	},
	restored: func(s *space) error {
		return s.none("virtualservices")
	},
}
