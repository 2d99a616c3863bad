package gateway

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// isGRPC reports whether a content type is that of gRPC, with any codec.
func isGRPC(contentType string) bool {
	const grpc = "application/grpc"
	if len(contentType) < len(grpc) || !strings.EqualFold(contentType[:len(grpc)], grpc) {
		return false
	}
	rest := contentType[len(grpc):]
	return rest == "" || rest[0] == '+' || rest[0] == ';'
}

// grpcStatus is the HTTP status that a gRPC answer amounts to. The status of a
// call stands in the trailers, or in the head of an answer without messages. One
// without a status was cut short. The mapping is that of google.rpc.Code.
func grpcStatus(head, trailer http.Header) (status int, cancelled bool) {
	code := trailer.Get("Grpc-Status")
	if code == "" {
		code = head.Get("Grpc-Status")
	}
	n, err := strconv.Atoi(code)
	if err != nil || n < 0 || n >= len(httpOfGRPC) {
		return http.StatusBadGateway, false
	}
	return httpOfGRPC[n], n == 1
}

// httpOfGRPC is the HTTP status of each gRPC code, from 0 (OK) to 16.
var httpOfGRPC = [...]int{200, 499, 500, 400, 504, 404, 409, 403, 429, 400, 409, 400, 501, 500, 503, 500, 401}

// grpcCode is the gRPC status of a failure that the gateway reports itself.
func grpcCode(status int) int {
	switch status {
	case http.StatusGatewayTimeout:
		return 4 // DEADLINE_EXCEEDED
	case http.StatusBadRequest:
		return 3 // INVALID_ARGUMENT
	}
	return 14 // UNAVAILABLE
}

// grpcMessage percent-encodes a status message as the gRPC protocol asks.
func grpcMessage(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c > 0x7e || c == '%' {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}
