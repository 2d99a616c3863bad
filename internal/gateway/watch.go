package gateway

import (
	"context"
	"net/http"
	"sync"
	"time"
)

// stage is what a request waits for, and so what ends when it waits too long.
type stage uint8

const (
	waitClient  stage = iota // its body: the read from the client ends
	waitUpload               // the rest of its body, or an answer: the read and the round trip end
	waitAnswer               // the head of the upstream's answer: the round trip ends
	waitAnother              // more of the answer, or room to send it: both sides end
	waitTunnel               // either side of an upgraded connection: both end
)

// watch ends a request that makes no progress. One timer serves all stages of a
// request, and, when it did not go off, the next request too.
type watch struct {
	timer *time.Timer

	mu     sync.Mutex
	active bool
	fired  bool
	stage  stage
	cancel context.CancelFunc
	w      http.ResponseWriter
}

// start begins watching a request whose client writes to and reads from w, and
// whose round trip cancel ends.
func (t *watch) start(w http.ResponseWriter, cancel context.CancelFunc, s stage, limit time.Duration) {
	t.mu.Lock()
	t.active, t.fired, t.stage, t.cancel, t.w = true, false, s, cancel, w
	t.mu.Unlock()
	if t.timer == nil {
		t.timer = time.AfterFunc(limit, t.fire)
		return
	}
	t.timer.Reset(limit)
}

// enter begins another stage of the same request.
func (t *watch) enter(s stage, limit time.Duration) {
	t.mu.Lock()
	t.stage = s
	t.mu.Unlock()
	t.touch(limit)
}

// touch tells of progress. It may be called from any goroutine while the
// request lasts, and does nothing once the watch has ended.
func (t *watch) touch(limit time.Duration) {
	t.mu.Lock()
	if t.active && !t.fired {
		t.timer.Reset(limit)
	}
	t.mu.Unlock()
}

// stop ends watching. It returns false if the timer went off: then this watch
// must not be used again, because its function may still be running.
func (t *watch) stop() bool {
	t.mu.Lock()
	t.active, t.cancel, t.w = false, nil, nil
	t.mu.Unlock()
	return t.timer.Stop()
}

// expired reports whether the request was ended for making no progress.
func (t *watch) expired() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.fired
}

func (t *watch) fire() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.active {
		return
	}
	t.fired = true
	// The errors of the two deadlines say only that the client's connection
	// cannot have one, as in a test with a recorder; cancelling is what counts.
	switch control := http.NewResponseController(t.w); t.stage {
	case waitClient, waitUpload:
		_ = control.SetReadDeadline(time.Unix(1, 0))
	case waitAnswer, waitTunnel:
	case waitAnother:
		_ = control.SetWriteDeadline(time.Unix(1, 0))
	}
	t.cancel()
}
