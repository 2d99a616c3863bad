package inference

// Bounds of what is read of one response. Beyond them a response is unread or
// read in part, never an error of the model.
const (
	// MaxPredictions is how many predictions of one response are read; those
	// after it are ignored.
	MaxPredictions = 4096
	// MaxClass is the length in bytes to which a class name is cut, at the end
	// of a character.
	MaxClass = 64
	// MaxDepth is the deepest nesting of a JSON document that is read.
	MaxDepth = 64
	// DefaultMaxBody is the size of the largest body read unless Options say
	// otherwise, in bytes.
	DefaultMaxBody = 1 << 20
)

// Prediction is what one response says about one instance. Each of the three
// numbers stands for nothing unless its Has field is true; a prediction with
// none of them was there but could not be read.
type Prediction struct {
	// Class is the predicted class, at most [MaxClass] bytes of UTF-8.
	Class string
	// Confidence is the probability that the model gives its own answer, 0 to 1.
	Confidence float64
	// Value is the number predicted: the probability of the second class of two,
	// the result of a regression, or the tokens of a completion.
	Value float64

	HasClass, HasConfidence, HasValue bool
}

// Unread reports whether nothing could be read of the prediction, as when it
// was NaN, null, or a tensor without a known meaning. It keeps its place in the
// response, so that the index of the others is right, but it counts as unread.
func (p Prediction) Unread() bool { return !p.HasClass && !p.HasConfidence && !p.HasValue }

// clampUnit moves rounding noise at the ends of [0, 1] inside it.
func clampUnit(x float64) float64 { return min(max(x, 0), 1) }
