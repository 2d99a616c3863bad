// Package router is the port to whatever splits the traffic.
//
// It owns the contract of a Router, and nothing that carries it out: each data
// plane has a package below this one. A Router is told the whole split, never a
// step of it, and tells what is carried rather than what was asked for.
// Package routertest holds what every Router must keep to.
package router
