package gateway

import (
	"os"
	"runtime/debug"
)

// collectorPercent is the garbage the heap may grow by between collections, in
// percent of what is live. A gateway's live heap is a few megabytes, so Go's
// default of 100 collects many times a second at full load, and each collection
// on a busy core holds up the requests it meets; 400 costs some 20 MiB.
const collectorPercent = 400

// TuneCollector sets the garbage collector of a process that serves a gateway,
// unless the environment's GOGC says otherwise. Call it once, at the start.
func TuneCollector() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(collectorPercent)
	}
}
