package judge

import (
	"encoding/json"
	"fmt"
	"strings"
)

// shelf holds every rollout seen so far, those used last in memory and the others
// in a file. It belongs to one goroutine.
type shelf struct {
	rules  Rules
	budget int64 // bytes of what is in memory
	used   int64
	index  map[string]int32
	pages  [][]entry // in the order of first appearance
	count  int32
	spill  spill
	recent hot // ring: recent.older was used last, recent.newer longest ago
}

// page is how many entries are allocated at once.
const page = 1024

// entry is what stays in memory of a rollout whose state does not.
type entry struct {
	id   string
	line int64 // of its first block
	hot  *hot  // nil if put aside
	at   slot
}

// hot is a rollout in memory: its state or, once nothing can change it, its
// result as it will be printed.
type hot struct {
	entry        *entry
	live         *Rollout
	done         []byte
	size         int64 // estimate of bytes
	measure      int64 // number of blocks at which to estimate again
	older, newer *hot
}

// kept is how a rollout is written to the file.
type kept struct {
	Live *Rollout        `json:"live,omitempty"`
	Done json.RawMessage `json:"done,omitempty"`
}

func newShelf(r Rules, budget int64, dir string) *shelf {
	s := &shelf{rules: r, budget: budget, index: map[string]int32{}, spill: spill{dir: dir}}
	s.recent.older, s.recent.newer = &s.recent, &s.recent
	return s
}

// add takes a block of the rollout named id.
func (s *shelf) add(id string, line int64, b Block) error {
	h, err := s.fetch(id, line)
	if err != nil {
		return err
	}
	if h.live == nil {
		return nil // its verdict is final
	}
	if err := h.live.Add(s.rules, b); err != nil {
		return err
	}
	if err := s.weigh(h); err != nil {
		return err
	}
	return s.trim(h)
}

// fetch returns the rollout in memory and marks it as used last.
func (s *shelf) fetch(id string, line int64) (*hot, error) {
	i, ok := s.index[id]
	if !ok {
		i = s.count
		if i%page == 0 {
			s.pages = append(s.pages, make([]entry, page))
		}
		s.count++
		*s.entry(i) = entry{id: strings.Clone(id), line: line}
		s.index[s.entry(i).id] = i
	}
	e := s.entry(i)
	if e.hot != nil {
		s.unlink(e.hot)
		s.link(e.hot)
		return e.hot, nil
	}
	h := &hot{entry: e, live: &Rollout{}, measure: 1}
	if e.at.size > 0 {
		if err := s.restore(h); err != nil {
			return nil, err
		}
	}
	e.hot = h
	s.link(h)
	s.used += h.size
	return h, nil
}

func (s *shelf) entry(i int32) *entry { return &s.pages[i/page][i%page] }

// restore reads a rollout back from the file.
func (s *shelf) restore(h *hot) error {
	data, err := s.spill.get(h.entry.at)
	if err != nil {
		return err
	}
	var k kept
	if err := json.Unmarshal(data, &k); err != nil {
		return fmt.Errorf("read rollout %s that was put aside: %w", h.entry.id, err)
	}
	h.live, h.done, h.size = k.Live, k.Done, inMemory(len(data))
	if h.live != nil {
		h.measure = 2 * h.live.State.Blocks
	}
	return nil
}

// inMemory is about how much a state takes that is so long in JSON.
func inMemory(n int) int64 { return 2 * int64(n) }

// weigh estimates again how much a rollout takes, every time its record has
// doubled, and keeps no more than the result of one that is decided for good.
func (s *shelf) weigh(h *hot) error {
	o := h.live
	switch {
	case o.Final():
		text, err := json.Marshal(o.Result(s.rules, h.entry.id))
		if err != nil {
			return fmt.Errorf("write the result of %s: %w", h.entry.id, err)
		}
		h.live, h.done = nil, text
		s.resize(h, int64(len(text)))
	case o.State.Blocks >= h.measure:
		text, err := json.Marshal(o)
		if err != nil {
			return fmt.Errorf("weigh rollout %s: %w", h.entry.id, err)
		}
		h.measure = 2 * o.State.Blocks
		s.resize(h, inMemory(len(text)))
	}
	return nil
}

func (s *shelf) resize(h *hot, size int64) {
	s.used += size - h.size
	h.size = size
}

// trim puts rollouts aside until the budget is met, but never the newest.
func (s *shelf) trim(newest *hot) error {
	for s.used > s.budget && s.recent.newer != newest {
		h := s.recent.newer
		data, err := json.Marshal(kept{h.live, h.done})
		if err != nil {
			return fmt.Errorf("put rollout %s aside: %w", h.entry.id, err)
		}
		if h.entry.at, err = s.spill.put(h.entry.at, data); err != nil {
			return err
		}
		s.unlink(h)
		s.used -= h.size
		h.entry.hot = nil
	}
	return nil
}

func (s *shelf) link(h *hot) {
	first := s.recent.older
	h.older, h.newer = first, &s.recent
	first.newer, s.recent.older = h, h
}

func (s *shelf) unlink(h *hot) {
	h.older.newer, h.newer.older = h.newer, h.older
}

// result returns the verdict on the i-th rollout, whether in memory or not.
func (s *shelf) result(i int32) (Result, error) {
	e := s.entry(i)
	h := e.hot
	if h == nil {
		h = &hot{entry: e}
		if err := s.restore(h); err != nil {
			return Result{}, err
		}
	}
	if h.live != nil {
		return h.live.Result(s.rules, e.id), nil
	}
	var r Result
	if err := json.Unmarshal(h.done, &r); err != nil {
		return r, fmt.Errorf("read the result of %s: %w", e.id, err)
	}
	return r, nil
}
