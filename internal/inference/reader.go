package inference

import (
	"errors"
	"fmt"
	"sync"

	"github.com/tidwall/gjson"
)

// Options say how responses are read. The zero value reads every protocol this
// package knows.
type Options struct {
	// Threshold is the probability from which a lone probability means the
	// second class; 0 means 0.5.
	Threshold float64
	// Classes are the names of classes by index, two or more; without them a
	// class is named by its index. With more than two, a lone whole number is an
	// index and no other lone number is a probability.
	Classes []string
	// Expr, if not empty, is a CEL expression that reads every JSON response in
	// place of the rules of this package. It sees response and request, parsed
	// (an absent request is null), and returns a class (string or boolean), a
	// number, a map with any of class, confidence and value, or a list of those.
	Expr string
	// MaxBody is the size in bytes of the largest body that is read; 0 means
	// [DefaultMaxBody].
	MaxBody int
}

// Reader reads predictions from unary responses. It is safe for concurrent use.
type Reader struct {
	threshold float64
	classes   []string
	maxBody   int
	expr      *expression // nil unless Options has one
	names     internTable
	pool      sync.Pool // of *scratch
}

// maxNames bounds Options.Classes.
const maxNames = 1024

// New returns a reader. The error of an expression that does not compile names
// the position of the first mistake.
func New(o Options) (*Reader, error) {
	r := &Reader{threshold: o.Threshold, maxBody: o.MaxBody}
	r.pool.New = func() any { return new(scratch) }
	if r.threshold == 0 {
		r.threshold = 0.5
	}
	if !(r.threshold > 0 && r.threshold <= 1) {
		return nil, fmt.Errorf("threshold %v: want a probability above 0, at most 1", o.Threshold)
	}
	if r.maxBody == 0 {
		r.maxBody = DefaultMaxBody
	}
	if r.maxBody < 0 {
		return nil, fmt.Errorf("largest body to read %d: want a number of bytes, or 0 for %d", o.MaxBody, DefaultMaxBody)
	}
	if err := checkNames(o.Classes); err != nil {
		return nil, err
	}
	r.classes = append(r.classes, o.Classes...)
	if o.Expr != "" {
		expr, err := compile(o.Expr)
		if err != nil {
			return nil, err
		}
		r.expr = expr
	}
	return r, nil
}

func checkNames(names []string) error {
	if len(names) == 1 {
		return errors.New("classes: one name alone tells nothing; name every class, in the order of their indices")
	}
	if len(names) > maxNames {
		return fmt.Errorf("classes: %d names, want at most %d", len(names), maxNames)
	}
	for i, name := range names {
		if name == "" || tidy(name) != name {
			return fmt.Errorf("classes[%d]: %q: want 1 to %d bytes of UTF-8", i, name, MaxClass)
		}
	}
	return nil
}

// scratch is the memory of one call. Nothing in it outlives the call.
type scratch struct {
	clean   []byte // the response without non-finite tokens, if it had any
	entries []entry
	used    int          // entries that may hold views of a body
	direct  []Prediction // predictions that need no resolving
	tensors []tensor
	chosen  [roles]*tensor
	raws    [maxOutputs][]byte
	topK    bool // texts may be Triton's "value:index:label"
}

// maxPooled are the entries with which a scratch is still kept for later calls.
const maxPooled = 256

// grow appends n empty entries and returns them.
func (s *scratch) grow(n int) []entry {
	old := len(s.entries)
	for range n {
		s.entries = append(s.entries, entry{})
	}
	s.used = max(s.used, len(s.entries))
	return s.entries[old:]
}

func (r *Reader) release(s *scratch) {
	if cap(s.entries) > maxPooled || cap(s.clean) > DefaultMaxBody {
		return
	}
	// No view of a body may keep that body alive.
	clear(s.entries[:s.used])
	clear(s.tensors[:min(cap(s.tensors), maxOutputs)])
	*s = scratch{clean: s.clean[:0], entries: s.entries[:0], direct: s.direct[:0], tensors: s.tensors[:0]}
	r.pool.Put(s)
}

// Read appends to dst the predictions of a unary response to a request of
// protocol p, in their order, and returns the extended slice; at most
// [MaxPredictions] of them. It returns ok false, and dst as it was, if the
// response could not be read. A response can be read and hold no prediction, as
// embeddings do, or hold some that are [Prediction.Unread].
//
// The bodies are neither changed nor kept. reqBody may be nil; it helps where a
// response alone is ambiguous. Event streams are read by [Stream], not here.
func (r *Reader) Read(dst []Prediction, p Protocol, reqBody, respBody []byte, contentType string) (preds []Prediction, ok bool) {
	if len(respBody) == 0 || len(respBody) > r.maxBody || IsEventStream(contentType) {
		return dst, false
	}
	s := r.pool.Get().(*scratch)
	defer r.release(s)
	if p == OpenInferenceGRPC {
		return r.readProto(dst, s, reqBody, respBody)
	}
	json, ok := prepare(respBody, &s.clean)
	if !ok {
		return dst, false
	}
	if r.expr != nil {
		return r.expr.read(dst, r, reqBody, json)
	}
	root := gjson.Parse(json)
	if p == OpenAI {
		ok = s.openAI(root)
	} else {
		ok = s.document(root, reqBody)
	}
	if !ok {
		return dst, false
	}
	return r.finish(dst, s), true
}

// ReadBinary is [Reader.Read] for a response of [OpenInference] in Triton's
// binary extension: headLen bytes of JSON, as the header
// Inference-Header-Content-Length says, then tensors as raw bytes.
func (r *Reader) ReadBinary(dst []Prediction, reqBody, respBody []byte, headLen int) (preds []Prediction, ok bool) {
	if headLen <= 0 || headLen > len(respBody) || len(respBody) > r.maxBody {
		return dst, false
	}
	s := r.pool.Get().(*scratch)
	defer r.release(s)
	json, ok := prepare(respBody[:headLen], &s.clean)
	if !ok {
		return dst, false
	}
	outputs := gjson.Get(json, "outputs")
	if !s.tensorsOf(outputs) || !s.attach(respBody[headLen:]) || !s.read(reqBody, requestBatch) {
		return dst, false
	}
	return r.finish(dst, s), true
}

func (r *Reader) readProto(dst []Prediction, s *scratch, reqBody, respBody []byte) (preds []Prediction, ok bool) {
	preds = dst
	for len(respBody) > 0 {
		message, rest, ok := nextMessage(respBody)
		if !ok || !s.modelInfer(message) || !s.read(reqBody, requestBatchProto) {
			return dst, false
		}
		preds = r.finish(preds, s)
		s.entries, s.tensors, s.topK = s.entries[:0], s.tensors[:0], false
		respBody = rest
	}
	return preds[:min(len(preds), len(dst)+MaxPredictions)], true
}

// finish appends what s has read.
func (r *Reader) finish(dst []Prediction, s *scratch) []Prediction {
	return append(r.resolve(dst, s), s.direct...)
}
