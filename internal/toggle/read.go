package toggle

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"

	"github.com/haldane-dev/haldane/internal/outbound"
)

// Flag is a feature flag that a server of OpenFeature's remote evaluation
// protocol has.
type Flag struct {
	URL     string // of the server
	Key     string
	Context map[string]string // with a targetingKey
	// Token returns what is presented as a bearer; nil presents nothing.
	Token  func(context.Context) ([]byte, error)
	Client *outbound.Client
}

// Read returns the flag's position. An answer without a value, or of another
// kind, is an error.
func (f Flag) Read(ctx context.Context) (Position, error) {
	body, err := json.Marshal(map[string]any{"context": f.Context})
	if err != nil {
		return "", fmt.Errorf("write the context: %w", err)
	}
	r := outbound.Request{
		URL:    strings.TrimSuffix(f.URL, "/") + "/ofrep/v1/evaluate/flags/" + url.PathEscape(f.Key),
		Header: http.Header{"Accept": {"application/json"}}, Body: body,
	}
	if f.Token != nil {
		token, err := f.Token(ctx)
		if err != nil {
			return "", fmt.Errorf("read its token: %w", err)
		}
		r.Header.Set("Authorization", "Bearer "+string(token))
	}
	a, err := f.Client.Post(ctx, r)
	if err != nil {
		return "", err
	}
	var said struct {
		Value        any    `json:"value"`
		ErrorCode    string `json:"errorCode"`
		ErrorDetails string `json:"errorDetails"`
	}
	err = json.Unmarshal(a.Body, &said)
	switch {
	case !a.OK():
		return "", fmt.Errorf("the server answers %d %.40s %.200q", a.Status, said.ErrorCode, said.ErrorDetails)
	case err != nil:
		return "", fmt.Errorf("the server's answer is no JSON: %w", err)
	case said.Value == nil:
		return "", fmt.Errorf("the server's answer has no value")
	}
	return Parse(said.Value)
}

// maxFile bounds what is read of a file, in bytes.
const maxFile = 4 << 10

// File returns what reads a position from the file at path: one word.
func File(path string) func(context.Context) (Position, error) {
	return func(context.Context) (Position, error) {
		info, err := os.Stat(path)
		if err != nil {
			return "", err
		}
		if !info.Mode().IsRegular() || info.Size() > maxFile {
			return "", fmt.Errorf("%s is no file of one word", path)
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return "", err
		}
		return Parse(strings.TrimSpace(string(text)))
	}
}
