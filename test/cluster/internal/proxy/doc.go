// Package proxy is the one door between the host and the cluster's network
// namespace: an HTTP proxy that listens on the host's loopback interface and
// dials inside. It takes CONNECT (TLS, gRPC, anything else on TCP) and plain
// requests. Handler may be used concurrently.
package proxy
