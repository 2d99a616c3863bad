// Package web is Haldane's HTTP face: the JSON API that the commands speak,
// the server-sent stream of what happens, and the dashboard.
//
// It owns the wire: routes, status codes, limits, who may ask. It decides
// nothing about rollouts; everything it knows it asks of a Rollouts.
//
//	GET  /api/v1/rollouts                  every rollout's status
//	GET  /api/v1/rollouts/{name}           one status
//	GET  /api/v1/rollouts/{name}/blocks    the newest blocks, oldest first; ?limit=
//	GET  /api/v1/rollouts/{name}/events    the newest events, oldest first; ?limit=
//	POST /api/v1/rollouts/{name}/commands  {verb, full, revision, step, reason, id, by}
//	GET  /api/v1/rollouts/{name}/stream    status, block and event as server-sent events; ?replay=
//	GET  /metrics                          what Prometheus scrapes; asks for the token too
//	GET  /healthz                          200 while the process serves
//
// Invariants: a server that listens beyond loopback has a token, and every
// request under /api/ and of /metrics then carries it; a server on loopback answers only to
// loopback host names, so that a rebound DNS name reaches nothing; no request
// that another site's page made is served under /api/; a body is JSON, small,
// and holds no field that is not known; every error is {"error": "…"}.
//
// The stream gives each block and event an ID from which it goes on after a
// reconnection (Last-Event-ID), so a client misses nothing that is still in
// the journal. Clients that do not read are cut off; their number is bounded.
//
// The dashboard's bundle is in dist, built from ui by `npm ci && npm run build`
// and compared by `make verify`. A Server is safe for concurrent use.
package web
