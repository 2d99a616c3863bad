// Package e2e tests the whole of Haldane on the Kubernetes cluster of
// test/cluster: the program as it is shipped, the real API server, scheduler,
// proxy and data planes, the models of examples/churn as pods, and requests
// that are counted where they come from, at the client.
//
// A scenario (promotion, rollback, a person's command, a failure) is written
// once and runs for each router of the table in routers_test.go whose sources, in
// sources_test.go, count what it needs, in a namespace of its own. Scenarios share
// a cluster but for those that take parts of it away. Every wait is for a
// condition, with a deadline far beyond what it takes.
//
//	make e2e
//	go test ./test/e2e -run 'TestRouters/gatewayapi/promotion' -v
package e2e
