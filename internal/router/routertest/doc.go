// Package routertest holds the contract that every adapter of router.Router
// keeps, as tests, and an in-memory router for the tests of others.
//
// An adapter calls Run from one test of its own. Nothing in the suite is ever
// skipped for want of an environment: what a data plane cannot do it must
// refuse, and the suite checks that it does. The suite waits for a data plane
// by asking it again, up to Patience, and never by sleeping a fixed time.
package routertest
