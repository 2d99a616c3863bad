// Package discovery tells Prometheus which pods there are, over HTTP: Debian's
// Prometheus is built without the discovery of Kubernetes. The targets carry
// the labels that the role "pod" of that discovery gives them, so relabelling
// rules written for it work unchanged. Handlers may be called concurrently.
package discovery
