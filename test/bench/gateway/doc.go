// Command gateway measures what the gateway costs beside other proxies, on one
// machine, over loopback.
//
// Four proxies stand in front of the same backend (nginx): the Haldane gateway
// with everything on, a plain httputil.ReverseProxy with nothing on, nginx and
// HAProxy. A proxy has one core to itself; backend and load share another. Rounds
// are interleaved, and ratios are taken within a round, so that whatever else
// the machine does falls on all alike.
//
// It needs wrk, nginx and haproxy (Debian's packages), two cores, and no root.
// The table goes to standard output, progress to standard error.
package main
