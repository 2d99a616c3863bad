// Package fleetrouter runs Haldane's own gateway as a Deployment in the path of
// a cluster's traffic, and drives it as a router.Router. Of the routers of a
// cluster it alone reads predictions and compares mirrored answers. By flag the
// same gateways forward nothing: they answer which arm a user gets, from the same
// table, and callers present a token.
//
// It owns, in the rollout's namespace and under the name of fleet.service of
// spec.routing.gateway or spec.routing.flag: the GatewayTable that every replica goes
// by, a Deployment, the Service that clients call, a headless one by which the
// replicas find each other, and a Secret with the key of prediction IDs.
//
// What always holds:
//
//   - A split counts as carried when every replica that is ready, and at least
//     one, says that it carries the very table that the API server has. Pods are
//     asked themselves: nothing that they could write anywhere is believed.
//   - The table is written before anything else, so that a rollback waits for
//     nothing.
//   - What belongs to another rollout, or to nobody, is not touched.
//   - The key is made once and never read back. Its Secret belongs to the table,
//     and ends with it.
//   - What somebody else changes is put back. Of the Deployment and the Services
//     that is what Haldane wrote, and of the table everything.
//
// While nothing changes a look costs no call of the API server. All methods are
// safe for concurrent use.
package fleetrouter
