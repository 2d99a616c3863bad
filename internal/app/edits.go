package app

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/haldane-dev/haldane/api/v1alpha1"
)

// editsEvery is how often the file is looked at.
const editsEvery = 2 * time.Second

// edits notices that the rollout's file changes while the rollout runs, so that
// nobody believes an edit to have had an effect. It is safe for concurrent use.
type edits struct {
	path string
	read []byte // what the file held when it was read
	now  func() time.Time

	mu      sync.Mutex
	looked  time.Time
	seen    fs.FileInfo // when it was last compared; nil at the beginning
	warning string
}

// watchEdits begins with what the file holds now. It returns nil, which warns
// of nothing, for what is no file: "-" or "".
func watchEdits(path string) *edits {
	if path == "" || path == "-" {
		return nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil // it was read a moment ago, and is gone: nothing to compare with
	}
	return &edits{path: path, read: text, now: time.Now}
}

// warnings is what to say of the file now.
func (e *edits) warnings() []string {
	if e == nil {
		return nil
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if now := e.now(); now.Sub(e.looked).Abs() >= editsEvery {
		e.looked = now
		e.look()
	}
	if e.warning == "" {
		return nil
	}
	return []string{e.warning}
}

// look compares the file with what was read, if it has been touched since.
func (e *edits) look() {
	info, err := os.Stat(e.path)
	if err == nil && e.seen != nil && os.SameFile(info, e.seen) && info.ModTime().Equal(e.seen.ModTime()) && info.Size() == e.seen.Size() {
		return
	}
	e.seen = info
	text, err := os.ReadFile(e.path)
	const on = "this rollout goes on by what it said when it was read"
	switch {
	case errors.Is(err, fs.ErrNotExist):
		e.warning = fmt.Sprintf("%s is gone: %s", e.path, on)
	case err != nil:
		e.warning = fmt.Sprintf("%s cannot be read any more: %s (%v)", e.path, on, err)
	case bytes.Equal(text, e.read):
		e.warning = ""
	default:
		e.warning = fmt.Sprintf("%s has changed: %s. Run haldane again to have it read", e.path, on)
		if _, err := v1alpha1.Load(e.path, bytes.NewReader(text)); err != nil {
			first, _, _ := strings.Cut(err.Error(), "\n")
			e.warning = fmt.Sprintf("%s has changed: %s. It could not be run as it is now: %s", e.path, on, first)
		}
	}
}
