package inference

import (
	"bytes"
	"math"
)

// maxOutputs is how many output tensors of a response are looked at.
const maxOutputs = 16

// tensor is one output, not yet read. Its strings and slices are views of the
// body.
type tensor struct {
	as         role
	datatype   string
	rank       int
	rows, cols int

	data     string // elements as JSON, nested or flat
	contents []byte // elements as an InferTensorContents message
	raw      []byte // elements in little-endian order
	rawSize  int    // size announced for raw in Triton's binary extension
}

// shaper turns the dimensions of a tensor, given one by one, into rows and
// columns.
type shaper struct {
	rank       int
	rows, cols int64
	bad        bool
}

func newShaper() shaper { return shaper{rows: 1, cols: 1} }

// add takes the next dimension. Products beyond any body that is read are bad.
func (s *shaper) add(n int64) {
	switch {
	case n < 0 || n > math.MaxInt32:
		s.bad = true
	case s.rank == 0:
		s.rows = n
	default:
		s.cols *= n
		s.bad = s.bad || s.cols > math.MaxInt32
		s.cols = min(s.cols, math.MaxInt32)
	}
	s.rank++
}

// settle gives t its rows and columns. The first dimension counts instances,
// except that a lone dimension of more than one element is a vector when the
// request held a single instance.
func (s *shaper) settle(t *tensor) bool {
	t.rank, t.rows, t.cols = s.rank, int(s.rows), int(s.cols)
	return !s.bad && (t.cols > 0 || t.rows == 0)
}

// choose picks the outputs that make up the predictions: the first whose name
// says label, the first that says score or probability, the first that says
// confidence, and the first that says prediction, or the very first output when
// no name says anything. Outputs with another number of instances are ignored.
func (s *scratch) choose() (chosen []*tensor) {
	var first [roles]*tensor
	for i := range s.tensors {
		if t := &s.tensors[i]; first[t.as] == nil {
			first[t.as] = t
		}
	}
	chosen = s.chosen[:0]
	for _, as := range [...]role{roleLabel, roleScore, roleConfidence, rolePlain} {
		if t := first[as]; t != nil && (len(chosen) == 0 || t.rows == chosen[0].rows) {
			chosen = append(chosen, t)
		}
	}
	if len(chosen) == 0 && first[roleNone] != nil {
		chosen = append(chosen, first[roleNone])
	}
	return chosen
}

// read fills s.entries from the outputs that [scratch.choose] picks; batch tells
// how many instances the request held, if it can. It returns false if there is
// no output or one does not hold what its shape promises.
func (s *scratch) read(reqBody []byte, batch func([]byte) int64) bool {
	for i := range s.tensors {
		if t := &s.tensors[i]; t.rank == 1 && t.rows > 1 && batch(reqBody) == 1 {
			t.rows, t.cols = 1, t.rows
		}
	}
	chosen := s.choose()
	if len(chosen) == 0 {
		return false
	}
	s.grow(min(chosen[0].rows, MaxPredictions))
	for _, t := range chosen {
		f := filler{entries: s.entries, as: t.as, cols: t.cols, want: t.rows * t.cols}
		if !f.fill(t) {
			return false
		}
		if t.datatype == "BYTES" && bytes.Contains(reqBody, []byte("classification")) {
			s.topK = true
		}
	}
	return true
}
