package inference

import (
	"strings"

	"github.com/tidwall/gjson"
)

// maxRequestID is the longest record ID accepted, in bytes.
const maxRequestID = 128

// RequestID finds the ID under which a client will know the record it asks
// about: the id of an Open Inference Protocol request, else the X-Request-Id
// header, else the trace ID of the traceparent header (W3C Trace Context). An ID
// that is empty, longer than 128 bytes or not printable ASCII is passed over.
// The result is empty if there is none, and does not refer to reqBody.
func RequestID(p Protocol, reqBody []byte, xRequestID, traceparent string) string {
	var id string
	switch p {
	case OpenInference:
		if v := gjson.Get(view(reqBody), "id"); v.Type == gjson.String {
			id = v.Str
		}
	case OpenInferenceGRPC:
		id = requestIDProto(reqBody)
	}
	if isRequestID(id) {
		return strings.Clone(id)
	}
	if isRequestID(xRequestID) {
		return xRequestID
	}
	return traceID(traceparent)
}

func isRequestID(id string) bool {
	if id == "" || len(id) > maxRequestID {
		return false
	}
	for i := range len(id) {
		if id[i] < ' ' || id[i] > '~' {
			return false
		}
	}
	return true
}

// traceID is the trace ID of a traceparent header, "" if the header is not
// valid: version-traceid-parentid-flags in lower-case hexadecimal. A later
// version may have more parts.
func traceID(header string) string {
	const length = len("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	if len(header) < length || header[2] != '-' || header[35] != '-' || header[52] != '-' {
		return ""
	}
	version, id, parent, flags := header[:2], header[3:35], header[36:52], header[53:55]
	for _, part := range [...]string{version, id, parent, flags} {
		if strings.Trim(part, "0123456789abcdef") != "" {
			return ""
		}
	}
	if version == "ff" || strings.Trim(id, "0") == "" || strings.Trim(parent, "0") == "" {
		return ""
	}
	if len(header) > length && (version == "00" || header[length] != '-') {
		return ""
	}
	return id
}
