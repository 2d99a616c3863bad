package judge

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"maps"
	"math"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/tidwall/gjson"

	"github.com/haldane-dev/haldane/internal/rollout"
)

// MaxLine is the longest line that is read, in bytes.
const MaxLine = 8 << 20

// batch is how many bytes of lines go to a worker at once.
const batch = 128 << 10

// Options are what a record is judged by, and what that may take. The zero
// values of the latter take defaults.
type Options struct {
	Plan    rollout.Plan
	Only    Side
	Memory  int64  // bytes of states and waiting blocks kept in memory; default 128 MiB
	Temp    string // folder of the file for the others; default the system's
	Workers int    // default one for each processor
}

// Summary is what was read.
type Summary struct {
	Lines, Bytes int64
	Ignored      []string // metrics recorded that the rollout does not compare
	Missing      []string // metrics that the rollout compares, with no counts in the record
}

// File judges every rollout of the record r, named name in messages, and gives
// the results to emit in the order in which the rollouts first appear. The error
// is *LineError if the record is at fault; then nothing was emitted.
func File(ctx context.Context, name string, r io.Reader, o Options, emit func(Result) error) (Summary, error) {
	rules, err := NewRules(o.Plan, o.Only)
	if err != nil {
		return Summary{}, err
	}
	if o.Memory <= 0 {
		o.Memory = 128 << 20
	}
	if o.Workers <= 0 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	p := &pool{name: name, seed: maphash.MakeSeed()}
	p.failedAt.Store(math.MaxInt64)
	for range o.Workers {
		s, err := newShelf(rules, o.Memory/int64(o.Workers), o.Temp)
		if err != nil {
			return Summary{}, err
		}
		w := &worker{pool: p, in: make(chan *lines, 1), free: make(chan *lines, 2), shelf: s}
		w.free <- &lines{}
		w.free <- &lines{}
		p.workers = append(p.workers, w)
	}
	summary, err := p.run(ctx, r)
	if err == nil {
		summary.Ignored, summary.Missing = p.names()
		err = p.emit(ctx, emit)
	}
	for _, w := range p.workers {
		err = errors.Join(err, w.shelf.spill.close())
	}
	if l := (*LineError)(nil); errors.As(err, &l) {
		return summary, l
	}
	return summary, err
}

// pool is the workers of one file.
type pool struct {
	name     string
	seed     maphash.Seed
	workers  []*worker
	failedAt atomic.Int64 // the first line known to be at fault
}

// lines are some lines, one after the other.
type lines struct {
	text    []byte
	ends    []int
	numbers []int64
}

func (l *lines) reset() { l.text, l.ends, l.numbers = l.text[:0], l.ends[:0], l.numbers[:0] }

// worker judges its share of the rollouts.
type worker struct {
	pool  *pool
	in    chan *lines
	free  chan *lines
	next  *lines // being filled by the reader
	shelf *shelf
	err   error
}

// run reads all lines and waits for the workers. The error of the earliest line
// wins, whichever worker met it.
func (p *pool) run(ctx context.Context, r io.Reader) (Summary, error) {
	var wg sync.WaitGroup
	for _, w := range p.workers {
		wg.Go(w.work)
	}
	summary, err := p.read(ctx, r)
	for _, w := range p.workers {
		if w.next != nil {
			w.in <- w.next
		}
		close(w.in)
	}
	wg.Wait()
	for _, w := range p.workers {
		if earlier(w.err, err) {
			err = w.err
		}
	}
	return summary, err
}

// earlier reports whether a is of an earlier line than b.
func earlier(a, b error) bool {
	if a == nil || b == nil {
		return b == nil
	}
	la, lb := (*LineError)(nil), (*LineError)(nil)
	switch {
	case !errors.As(a, &la):
		return true
	case !errors.As(b, &lb):
		return false
	}
	return la.Line < lb.Line
}

// read hands each line to the worker of its rollout.
func (p *pool) read(ctx context.Context, r io.Reader) (Summary, error) {
	var s Summary
	in := bufio.NewReaderSize(r, 1<<20)
	var long []byte
	for {
		text, err := in.ReadSlice('\n')
		s.Bytes += int64(len(text))
		if errors.Is(err, bufio.ErrBufferFull) {
			if long = append(long, text...); len(long) > MaxLine {
				return s, &LineError{p.name, s.Lines + 1, "", fmt.Sprintf("is longer than %d bytes: write one block a line", MaxLine)}
			}
			continue
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return s, fmt.Errorf("read %s: %w", p.name, err)
		}
		if len(long) > 0 {
			text = append(long, text...)
			long = long[:0]
		}
		if len(text) > 0 {
			s.Lines++
		}
		if text = bytes.TrimSpace(text); len(text) > 0 {
			p.hand(text, s.Lines)
		}
		if err != nil || p.failedAt.Load() < s.Lines {
			return s, nil
		}
		if s.Lines%1024 == 0 && ctx.Err() != nil {
			return s, fmt.Errorf("read %s: %w", p.name, ctx.Err())
		}
	}
}

// hand puts a line where its worker will find it.
func (p *pool) hand(text []byte, number int64) {
	w := p.workers[0]
	if len(p.workers) > 1 {
		id := gjson.GetBytes(text, "rollout").Str
		w = p.workers[maphash.String(p.seed, id)%uint64(len(p.workers))]
	}
	if w.next == nil {
		w.next = <-w.free
		w.next.reset()
	}
	w.next.text = append(w.next.text, text...)
	w.next.ends = append(w.next.ends, len(w.next.text))
	w.next.numbers = append(w.next.numbers, number)
	if len(w.next.text) >= batch {
		w.in <- w.next
		w.next = nil
	}
}

// work judges lines until there are no more or one is at fault.
func (w *worker) work() {
	for l := range w.in {
		start := 0
		for i, end := range l.ends {
			text, number := l.text[start:end], l.numbers[i]
			start = end
			if w.err != nil || number > w.pool.failedAt.Load() {
				break
			}
			if w.err = w.take(text, number); w.err != nil {
				w.pool.fail(number)
			}
		}
		w.free <- l
	}
}

// fail notes that a line is at fault, so that later ones need not be judged.
func (p *pool) fail(line int64) {
	for {
		at := p.failedAt.Load()
		if at <= line || p.failedAt.CompareAndSwap(at, line) {
			return
		}
	}
}

// take judges one line.
func (w *worker) take(text []byte, number int64) error {
	err := w.shelf.add(text, number)
	if f := (*fieldError)(nil); errors.As(err, &f) {
		return &LineError{w.pool.name, number, f.field, f.message}
	}
	return err
}

// emit gives out the results of all workers in the order of first appearance.
func (p *pool) emit(ctx context.Context, emit func(Result) error) error {
	next := make([]int32, len(p.workers))
	for n := 0; ; n++ {
		best := -1
		for i, w := range p.workers {
			if next[i] < w.shelf.count && (best < 0 ||
				w.shelf.entry(next[i]).line < p.workers[best].shelf.entry(next[best]).line) {
				best = i
			}
		}
		if best < 0 {
			return nil
		}
		if n%1024 == 0 && ctx.Err() != nil {
			return fmt.Errorf("write the results: %w", ctx.Err())
		}
		r, err := p.workers[best].shelf.result(next[best])
		if err != nil {
			return err
		}
		if err := emit(r); err != nil {
			return err
		}
		next[best]++
	}
}

// names compares what was recorded with what is compared.
func (p *pool) names() (ignored, missing []string) {
	all, seen := map[string]bool{}, make([]bool, len(p.workers[0].shelf.decoder.seen))
	for _, w := range p.workers {
		maps.Copy(all, w.shelf.decoder.ignored)
		for i, s := range w.shelf.decoder.seen {
			seen[i] = seen[i] || s
		}
	}
	for i, s := range seen {
		if !s {
			missing = append(missing, p.workers[0].shelf.decoder.metrics[i].Name)
		}
	}
	return slices.Sorted(maps.Keys(all)), missing
}
