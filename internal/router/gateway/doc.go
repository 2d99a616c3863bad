// Package gatewayrouter drives the gateway of the same process as a
// router.Router.
//
// It owns the gateway's table: nobody else may set it. The upstreams are asked
// for anew at every Apply, so that a model that was started again at another
// address is found by the next call, even if the split has not changed. All
// methods are safe for concurrent use.
package gatewayrouter
