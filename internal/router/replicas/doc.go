// Package replicas splits traffic by numbers of pods behind a plain Service,
// the workload's, for clusters with nothing better.
//
// At weight 0 the Service selects stable's pods alone and at 100% the
// candidate's alone; only in between does it select both, as the user wrote it,
// and the share is that of the pods: of N, stable's number when it serves
// everything, the candidate gets the nearest whole number and stable the rest.
// Pods come before others go, so that there are never fewer than N between the
// arms, and an arm is left behind only when the other has three quarters of N
// available, or after Patience.
//
// It is the coarsest of splits: connections that are kept open make shares a
// fiction, requests cannot be told apart, and a weight below one pod in N
// cannot be had and is refused. So it is while an autoscaler sets the number of
// either arm's pods. The condition RouteRefused says both before a rollout
// begins.
//
// The Service's selector is taken over and given back on release. The workload
// starts and ends the candidate's pods (it knows of this router); nothing here
// starts the first or ends the last of them. Stable's number is under
// deployment.AnnotationReplicas while there are fewer.
//
// All methods are safe for concurrent use.
package replicas
