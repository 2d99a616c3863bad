package judge

import (
	"encoding/json"
	"fmt"
	"strings"
)

// shelf holds every rollout seen so far, those used last in memory and the others
// in a file. It belongs to one goroutine.
//
// To bring a state back takes far longer than to judge a block. Blocks of a
// rollout that is not in memory therefore wait, as text, until there are many of
// them or no more room for waiting ones.
type shelf struct {
	rules   Rules
	decoder *decoder
	states  int64 // bytes that states in memory may take
	used    int64
	room    int64 // bytes that waiting blocks may take
	waiting int64
	index   map[string]int32
	pages   [][]entry // in the order of first appearance
	count   int32
	codec   *codec
	spill   spill
	recent  hot // ring: recent.older was used last, recent.newer longest ago
}

// page is how many entries are allocated at once; patience is how many blocks
// wait at most for their rollout to be brought back.
const (
	page     = 1024
	patience = 64
)

// entry is what stays in memory of a rollout whose state does not.
type entry struct {
	id    string
	line  int64   // of its first block
	t     float64 // end of its newest block
	hot   *hot    // nil if put aside
	queue *queue  // blocks newer than the state, nil if there are none
	at    slot
	over  bool // its verdict is final
}

// queue is lines that wait, one after the other.
type queue struct {
	text []byte
	ends []int32
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

func newShelf(r Rules, budget int64, dir string) (*shelf, error) {
	c, err := newCodec()
	if err != nil {
		return nil, err
	}
	// The more blocks may wait, the less often a state is brought back: with many
	// rollouts that is worth more than a few states more in memory.
	s := &shelf{
		rules: r, decoder: newDecoder(r.config), codec: c, states: budget / 4, room: budget - budget/4,
		index: map[string]int32{}, spill: spill{dir: dir},
	}
	s.recent.older, s.recent.newer = &s.recent, &s.recent
	return s, nil
}

// add takes a line with a block. The error, if the line is at fault, names the
// field.
func (s *shelf) add(text []byte, number int64) error {
	id, b, err := s.decoder.line(text)
	if err != nil {
		return err
	}
	e := s.find(id, number)
	if err := s.rules.follows(b, e.t, e.line == number); err != nil {
		return err
	}
	e.t = b.T
	switch {
	case e.over:
		return nil
	case e.hot != nil:
		s.unlink(e.hot)
		s.link(e.hot)
	case s.used >= s.states && s.wait(e, text):
		return nil
	default:
		if err := s.bring(e); err != nil {
			return err
		}
		if e.over {
			return nil
		}
	}
	if err := s.judge(e.hot, b); err != nil {
		return err
	}
	return s.trim(e.hot)
}

// find returns the entry of a rollout, which is new if this is its first line.
func (s *shelf) find(id string, line int64) *entry {
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
	return s.entry(i)
}

// wait lets a line wait, if there is room for it.
func (s *shelf) wait(e *entry, text []byte) bool {
	if s.waiting+int64(len(text)) > s.room || e.queue != nil && len(e.queue.ends) >= patience {
		return false
	}
	if e.queue == nil {
		e.queue = &queue{}
	}
	q, before := e.queue, cap(e.queue.text)
	q.text = append(q.text, text...)
	q.ends = append(q.ends, int32(len(q.text)))
	s.waiting += int64(cap(q.text)-before) + 8
	return true
}

// bring makes a rollout the one used last, with all that waited for it judged.
func (s *shelf) bring(e *entry) error {
	h := &hot{entry: e, live: &Rollout{}, measure: 1}
	if e.at.size > 0 {
		if err := s.restore(h); err != nil {
			return err
		}
	}
	e.hot = h
	s.link(h)
	s.used += h.size
	return s.drain(h)
}

// drain judges what waited for a rollout.
func (s *shelf) drain(h *hot) error {
	q := h.entry.queue
	if q == nil {
		return nil
	}
	h.entry.queue = nil
	s.waiting -= int64(cap(q.text)) + 8*int64(len(q.ends))
	start := int32(0)
	for _, end := range q.ends {
		_, b, err := s.decoder.line(q.text[start:end])
		if err != nil {
			return fmt.Errorf("read again what was accepted of %s: %w", h.entry.id, err)
		}
		start = end
		if err := s.judge(h, b); err != nil {
			return err
		}
	}
	return nil
}

// judge takes a block into a rollout in memory.
func (s *shelf) judge(h *hot, b Block) error {
	if h.live == nil {
		return nil // its verdict is final
	}
	if err := h.live.Add(s.rules, b); err != nil {
		return err
	}
	return s.weigh(h)
}

func (s *shelf) entry(i int32) *entry { return &s.pages[i/page][i%page] }

// restore reads a rollout back from the file.
func (s *shelf) restore(h *hot) error {
	data, err := s.spill.get(h.entry.at)
	if err != nil {
		return err
	}
	k, err := s.codec.decode(data)
	if err != nil {
		return fmt.Errorf("read rollout %s that was put aside: %w", h.entry.id, err)
	}
	h.live, h.done, h.size = k.Live, k.Done, inMemory(len(data))
	if h.live != nil {
		h.measure = 2 * h.live.State.Blocks
	}
	return nil
}

// inMemory is about how much a state takes that is so long in the file.
func inMemory(n int) int64 { return 4 * int64(n) }

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
		h.live, h.done, h.entry.over = nil, text, true
		s.resize(h, int64(len(text)))
	case o.State.Blocks >= h.measure:
		text, err := s.codec.encode(kept{Live: o})
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
	for s.used > s.states && s.recent.newer != newest {
		h := s.recent.newer
		data, err := s.codec.encode(kept{h.live, h.done})
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
		h = &hot{entry: e, live: &Rollout{}, measure: 1}
		if e.at.size > 0 {
			if err := s.restore(h); err != nil {
				return Result{}, err
			}
		}
		if err := s.drain(h); err != nil {
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
