// Package dns answers for the cluster's domain what a cluster's DNS server
// would: NAME.NAMESPACE.svc.cluster.local is the Service's address, or the
// addresses of its ready pods if it is headless, and POD.NAME.NAMESPACE… a
// single one of them. It knows no other names and asks nobody. Zone may be
// used concurrently once its informers have synced.
package dns
