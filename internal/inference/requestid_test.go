package inference

import (
	"strings"
	"testing"
)

const testTrace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

func TestRequestID(t *testing.T) {
	const trace = "4bf92f3577b34da6a3ce929d0e0e4736"
	grpc := grpcBody(inferRequest{id: "g-1", batch: 1}.encode())
	for name, tc := range map[string]struct {
		p                        Protocol
		body, header, trace, out string
	}{
		"OIP id first":             {OpenInference, `{"id":"r-1","inputs":[]}`, "h", testTrace, "r-1"},
		"OIP id after a NaN":       {OpenInference, `{"inputs":[{"data":[NaN]}],"id":"r-1"}`, "", "", "r-1"},
		"OIP id with escapes":      {OpenInference, `{"id":"r\u002d1"}`, "", "", "r-1"},
		"OIP binary extension":     {OpenInference, "{\"id\":\"r-1\",\"inputs\":[]}\x00\xff}", "", "", "r-1"},
		"OIP id not a string":      {OpenInference, `{"id":7}`, "h", "", "h"},
		"OIP id of an input":       {OpenInference, `{"inputs":[{"id":"no"}]}`, "", "", ""},
		"OIP without id":           {OpenInference, `{"inputs":[]}`, "h", testTrace, "h"},
		"OIP empty id":             {OpenInference, `{"id":""}`, "", testTrace, trace},
		"OIP broken":               {OpenInference, `{"id":"r`, "", testTrace, trace},
		"gRPC id":                  {OpenInferenceGRPC, grpc, "h", "", "g-1"},
		"gRPC cut short":           {OpenInferenceGRPC, grpc[:8], "h", "", "h"},
		"id of another protocol":   {MLflow, `{"id":"r-1"}`, "", "", ""},
		"header":                   {OpenAI, "", "h-1", testTrace, "h-1"},
		"header too long":          {OpenAI, "", strings.Repeat("x", maxRequestID+1), testTrace, trace},
		"header with line break":   {OpenAI, "", "a\r\nSet-Cookie: b", "", ""},
		"header not ASCII":         {OpenAI, "", "é", "", ""},
		"trace":                    {Custom, "", "", testTrace, trace},
		"trace of later version":   {Custom, "", "", "01" + testTrace[2:] + "-more", trace},
		"trace with more parts":    {Custom, "", "", testTrace + "-more", ""},
		"trace of later, no dash":  {Custom, "", "", "01" + testTrace[2:] + "x", ""},
		"trace version ff":         {Custom, "", "", "ff" + testTrace[2:], ""},
		"trace all zero":           {Custom, "", "", strings.Replace(testTrace, trace, strings.Repeat("0", 32), 1), ""},
		"trace parent all zero":    {Custom, "", "", strings.Replace(testTrace, "00f067aa0ba902b7", strings.Repeat("0", 16), 1), ""},
		"trace in capitals":        {Custom, "", "", strings.ToUpper(testTrace), ""},
		"trace without separators": {Custom, "", "", strings.ReplaceAll(testTrace, "-", "0"), ""},
		"trace too short":          {Custom, "", "", testTrace[:54], ""},
		"nothing":                  {Custom, "", "", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			if got := RequestID(tc.p, []byte(tc.body), tc.header, tc.trace); got != tc.out {
				t.Errorf("ID = %q, want %q", got, tc.out)
			}
		})
	}
}

func TestRequestIDOutlivesBody(t *testing.T) {
	body := []byte(`{"id":"keep"}`)
	id := RequestID(OpenInference, body, "", "")
	clear(body)
	if id != "keep" {
		t.Errorf("ID became %q when the body was reused", id)
	}
}

func FuzzRequestID(f *testing.F) {
	f.Add(uint8(OpenInference), []byte(`{"id":"a\u0041","x":[[{"id":1}]]}`), "h", testTrace)
	f.Add(uint8(OpenInferenceGRPC), []byte(grpcBody(inferRequest{id: "g", batch: 2}.encode())), "", "")
	f.Add(uint8(Custom), []byte{}, "\x7f", testTrace+"-")
	f.Fuzz(func(t *testing.T, p uint8, body []byte, header, trace string) {
		id := RequestID(Protocol(p), body, header, trace)
		if id != "" && !isRequestID(id) {
			t.Errorf("ID %q is not safe to send in a header", id)
		}
	})
}
