package outbound

import "testing"

func TestGist(t *testing.T) {
	for body, want := range map[string]string{
		"":                   "",
		"\n  a gate  \nmore": "a gate",
		"a\tb\x1b[31mc\x7f":  "ab[31mc",
		"<html><body>no":     "",
		"0123456789ab":       "0123456789…",
		"012345678é":         "012345678…", // not in the middle of a letter
		"\xff\xfe":           "�",
	} {
		if got := Gist([]byte(body), 10); got != want {
			t.Errorf("%q: %q, want %q", body, got, want)
		}
	}
}
