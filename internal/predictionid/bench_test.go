package predictionid

import "testing"

func BenchmarkAppendEncode(b *testing.B) {
	c := newCodec(b, testKey)
	dst := make([]byte, 0, MaxLen)
	b.ReportAllocs()
	for b.Loop() {
		dst = c.AppendEncode(dst[:0], single)
	}
}

func BenchmarkDecode(b *testing.B) {
	c := newCodec(b, testKey)
	id := string(c.AppendEncode(nil, single))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Decode(id); err != nil {
			b.Fatal(err)
		}
	}
}
