package inference

import (
	"math"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestSimilarity(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want float64
	}{
		{"", "", 1}, {"", "a", 0}, {" \n", "", 1},
		{"the cat sat", "the cat sat", 1},
		{"the  cat\nsat", "thecatsat", 1}, // white space is no matter
		{"abc", "xyz", 0},
		// Runs of one: 2 of 3 and 2 of 3; of two: 1 of 2; of three: 0 of 1.
		{"abc", "abd", (2.0/3 + 1.0/2) / 3},
		// Of one: 2 of 2, 2 of 4; of two: 1 of 1, 1 of 3; of three and four: none.
		{"ab", "abcd", 2 * (2.0 / 4) * ((2.0/4 + 1.0/3) / 4) / (2.0/4 + (2.0/4+1.0/3)/4)},
		{"日本語です", "日本語です", 1},
		{strings.Repeat("a", 5000) + "x", strings.Repeat("a", 5000) + "y", 1}, // beyond what is compared
	} {
		if got := Similarity(tt.a, tt.b); math.Abs(got-tt.want) > 1e-12 {
			t.Errorf("%.20q and %.20q: %v, want %v", tt.a, tt.b, got, tt.want)
		}
	}
}

func TestSimilarityIsAShareAndSymmetric(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOfN(rapid.RuneFrom([]rune("ab é日\n")), 0, 40, -1)
		a, b := text.Draw(t, "a"), text.Draw(t, "b")
		x, y := Similarity(a, b), Similarity(b, a)
		if x < 0 || x > 1+1e-12 || math.Abs(x-y) > 1e-12 {
			t.Fatalf("%q and %q: %v and %v", a, b, x, y)
		}
		if same := Similarity(a, a); math.Abs(same-1) > 1e-12 {
			t.Fatalf("%q is alike itself by %v", a, same)
		}
	})
}

func TestText(t *testing.T) {
	for name, tt := range map[string]struct {
		p    Protocol
		body string
		want string
		ok   bool
	}{
		"chat":       {OpenAI, `{"choices":[{"message":{"role":"assistant","content":"hello \u00e9"}},{"message":{"content":"other"}}]}`, "hello é", true},
		"parts":      {OpenAI, `{"choices":[{"message":{"content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]}}]}`, "ab", true},
		"completion": {OpenAI, `{"choices":[{"text":"once"}]}`, "once", true},
		"response":   {OpenAI, `{"object":"response","output":[{"type":"reasoning"},{"type":"message","content":[{"type":"output_text","text":"yes"}]}]}`, "yes", true},
		"empty":      {OpenAI, `{"choices":[{"message":{"content":""}}]}`, "", true},
		"a call":     {OpenAI, `{"choices":[{"message":{"content":null,"tool_calls":[]}}]}`, "", false},
		"broken":     {OpenAI, `{"choices":[{"message":{"content":"a`, "", false},
		"another":    {OpenInference, `{"choices":[{"text":"once"}]}`, "", false},
	} {
		if got, ok := Text(tt.p, []byte(tt.body)); got != tt.want || ok != tt.ok {
			t.Errorf("%s: %q, %v, want %q, %v", name, got, ok, tt.want, tt.ok)
		}
	}
}

func TestStreamKeepsTheTextThatItIsAskedFor(t *testing.T) {
	const events = "data: {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"Hel\"}}]}\n\n" +
		"data: {\"choices\":[{\"index\":1,\"delta\":{\"content\":\"other\"}},{\"index\":0,\"delta\":{\"content\":\"lo\"}}]}\n\n" +
		"data: {\"choices\":[{\"index\":0,\"text\":\"!\",\"finish_reason\":\"stop\"}]}\n\n" +
		"data: {\"type\":\"response.output_text.delta\",\"delta\":\" you\"}\n\n" +
		"data: {\"type\":\"response.reasoning.delta\",\"delta\":\"hm\"}\n\ndata: [DONE]\n\n"
	for _, asked := range []bool{false, true} {
		s := NewStream(OpenAI)
		if asked {
			s.KeepText()
		}
		s.Write(time.Now(), []byte(events))
		r := s.Close(time.Now(), true)
		if want := "Hello! you"; asked && r.Text != want || !asked && r.Text != "" {
			t.Errorf("asked %v: %q, want %q", asked, r.Text, want)
		}
	}
	s := NewStream(OpenAI)
	s.KeepText()
	for range 3 {
		s.Write(time.Now(), []byte("data: {\"choices\":[{\"delta\":{\"content\":\""+strings.Repeat("é", MaxText/4)+"\"}}]}\n\n"))
	}
	if r := s.Close(time.Now(), true); len(r.Text) != MaxText {
		t.Errorf("%d bytes were kept, want %d", len(r.Text), MaxText)
	}
}

func BenchmarkSimilarity(b *testing.B) {
	a := strings.Repeat("the quick brown fox jumps over the lazy dog ", 100)
	c := strings.Repeat("a quick brown fox jumped over the lazy dogs ", 100)
	for b.Loop() {
		Similarity(a, c)
	}
}
