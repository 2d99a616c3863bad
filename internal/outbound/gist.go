package outbound

import (
	"bytes"
	"strings"
)

// Gist is what an answer says in its first line, for people: at most so many bytes
// and no control characters, "" if it says nothing in a sentence, as a page does
// not.
func Gist(body []byte, most int) string {
	line, _, _ := bytes.Cut(bytes.TrimSpace(body), []byte("\n"))
	text := strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return -1
		}
		return r
	}, strings.ToValidUTF8(string(bytes.TrimSpace(line)), "�"))
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	if strings.HasPrefix(text, "<") {
		return ""
	}
	return text
}
