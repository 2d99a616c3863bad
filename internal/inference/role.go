package inference

import "bytes"

// maxName is the length to which the name of an output or member is looked at.
const maxName = 64

// lower puts name in lower case into buf.
func lower(buf *[maxName]byte, name string) []byte {
	n := copy(buf[:], name)
	for i, c := range buf[:n] {
		if 'A' <= c && c <= 'Z' {
			buf[i] = c + 'a' - 'A'
		}
	}
	return buf[:n]
}

// memberRole is the role of a member of an object that describes one
// prediction. Only whole names count: an object may have any other member.
func memberRole(name string) role {
	var buf [maxName]byte
	switch string(lower(&buf, name)) {
	case "label", "labels", "class", "classes", "class_name", "class_label", "predicted_class", "predicted_label", "category":
		return roleLabel
	case "probability", "probabilities", "proba", "probas", "prob", "probs", "predict_proba", "score", "scores":
		return roleScore
	case "confidence", "confidences":
		return roleConfidence
	case "prediction", "predictions", "predicted", "predict", "value", "output", "result":
		return rolePlain
	}
	return roleNone
}

// outputRole is the role of a named output tensor. Exporters put words before
// and after, as in "output_label", so a part of the name is enough. The
// probability of a label is a score, so scores are looked for first.
func outputRole(name string) role {
	var buf [maxName]byte
	s := lower(&buf, name)
	for _, part := range [...]string{"prob", "score", "softmax"} {
		if bytes.Contains(s, []byte(part)) {
			return roleScore
		}
	}
	switch {
	case bytes.Contains(s, []byte("confidence")):
		return roleConfidence
	case bytes.Contains(s, []byte("label")), bytes.Contains(s, []byte("class")):
		return roleLabel
	case bytes.Contains(s, []byte("predict")), bytes.Equal(s, []byte("output")), bytes.Equal(s, []byte("result")):
		return rolePlain
	}
	return roleNone
}
