// Package inference reads what a request and a response of a served model say:
// which protocol is spoken, which record is asked about, and the class,
// confidence or value of every prediction answered.
//
// [Detect] tells the protocol, [Reader] reads unary responses, [Stream] reads
// server-sent events as they pass, [RequestID] finds the record's ID.
//
// The package does no I/O and keeps no clock. Bodies are given by the caller,
// already without Content-Encoding; they are neither changed nor kept. What
// cannot be read is said to be unread and is never an error of the model. All
// work and memory is bounded, whatever a stranger sends. A Reader is safe for
// concurrent use and allocates nothing for small responses whose class names it
// has met before; a Stream belongs to one goroutine.
//
// # From numbers to predictions
//
// The rules are the same for every protocol. The first that fits holds.
//
//   - A text is a class; a boolean is the class "true" or "false".
//   - A vector of two or more numbers in [0, 1] whose sum is 1, within 0.01, is a
//     distribution: its largest element is the confidence and the index of that
//     the class; of two elements the second is also the value.
//   - A lone number in [0, 1] is the probability p of the second of two classes:
//     class "1" from the threshold on, else "0"; confidence max(p, 1-p); value p.
//     If any lone number of the same response lies outside, all of them are
//     results of a regression: values without a class.
//   - Options.Classes names indices. With more than two names, a lone whole
//     number is an index, and a vector of that length may hold any numbers.
//   - An object is read by its members label, class, prediction, probability,
//     score, confidence and their plain spellings. A score beside a label is the
//     label's, except that beside the label 0 a score below one half is taken as
//     the probability of 1. An object of numbers alone that sum to 1 maps
//     classes to probabilities; an object with one member is that member.
//   - A list of labels with a score each is one prediction, the best of them.
//   - Anything else, NaN, infinite numbers and null included, is a prediction
//     that is [Prediction.Unread]: it keeps its index.
//
// # Several outputs
//
// Of named output tensors the first whose name contains prob, score or softmax
// gives the score, the first with class or label the label, the first with
// confidence the confidence, and the first with predict stands in for a missing
// label; without any such name the first output counts alone. Outputs that hold
// another number of instances than the chosen one are ignored. The first
// dimension counts instances, but a lone dimension is one vector if the request
// held one instance.
package inference
