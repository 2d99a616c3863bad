package predictionid

import (
	"encoding/base64"
	"errors"
	"math"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var (
	testKey = []byte("0123456789abcdef")
	when    = time.Date(2026, 11, 23, 9, 30, 0, 123e6, time.UTC)
	single  = Claims{
		Rollout: Hash32("churn"), Revision: Hash32("v2"), Arm: 1, Time: when,
		Class: "yes", Score: 0.75, HasScore: true, Flags: Forced | Mirrored, Nonce: 42, Count: 1,
	}
)

func newCodec(t testing.TB, key []byte) *Codec {
	t.Helper()
	c, err := New(key)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestNewRefusesShortKey(t *testing.T) {
	if _, err := New(testKey[:MinKey-1]); err == nil || !strings.Contains(err.Error(), "15 bytes") {
		t.Fatalf("error = %v, want one that names the length", err)
	}
}

func TestRoundTrip(t *testing.T) {
	long := strings.Repeat("x", 100)
	for name, tc := range map[string]struct{ in, want Claims }{
		"single":       {single, single},
		"zero":         {Claims{Time: time.UnixMilli(0)}, Claims{Time: time.UnixMilli(0).UTC(), Count: 1}},
		"stream":       {Claims{Time: when, Nonce: 1}, Claims{Time: when, Nonce: 1, Count: 1}},
		"batch":        {Claims{Time: when, Class: "a", Score: 1, HasScore: true, Count: 3}, Claims{Time: when, Count: 3}},
		"long class":   {Claims{Time: when, Class: long}, Claims{Time: when, Class: ClassKey(long), Count: 1}},
		"before epoch": {Claims{Time: time.Unix(-5, 0)}, Claims{Time: time.UnixMilli(0).UTC(), Count: 1}},
		"far future":   {Claims{Time: time.UnixMilli(1 << 60)}, Claims{Time: time.UnixMilli(1<<48 - 1).UTC(), Count: 1}},
		"score NaN":    {Claims{Time: when, Score: float32(math.NaN()), HasScore: true}, Claims{Time: when, Count: 1}},
		"score no use": {Claims{Time: when, Score: 3}, Claims{Time: when, Count: 1}},
		"other flags":  {Claims{Time: when, Flags: 0xFF}, Claims{Time: when, Flags: Forced | WarmUp | Mirrored, Count: 1}},
		"group":        {Claims{Time: when, Class: "a", Group: 100, Nonce: 7}, Claims{Time: when, Class: "a", Group: 100, Nonce: 7, Count: 1}},
		"group, long":  {Claims{Time: when, Class: long, Group: 1}, Claims{Time: when, Class: ClassKey(long), Group: 1, Count: 1}},
		"group, batch": {Claims{Time: when, Group: 255, Count: 3}, Claims{Time: when, Group: 255, Count: 3}},
		"sub-ms":       {Claims{Time: when.Add(999 * time.Microsecond)}, Claims{Time: when, Count: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCodec(t, testKey)
			got, err := c.Decode(string(c.AppendEncode(nil, tc.in)))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("claims differ (-want +got):\n%s", diff)
			}
		})
	}
}

// The format is read by other processes and by IDs already handed out, so it
// may change only together with the version byte.
func TestGolden(t *testing.T) {
	const want = "AYWUZDE0MYzqywEBoge9qjsAAAAAAAAAKgABP0AAAAN5ZXOviF5lmhTPtCRUa2ys5P75"
	if got := string(newCodec(t, testKey).AppendEncode(nil, single)); got != want {
		t.Errorf("ID = %s\nwant %s", got, want)
	}
	const inGroup = "AoWUZDE0MYzqywEBoge9qjsAAAAAAAAAKgABP0AAAAMqeWVz1yYUHr-h_UrzIgYxb0H9tg"
	c, of := newCodec(t, testKey), single
	of.Group = 42
	if got := string(c.AppendEncode(nil, of)); got != inGroup {
		t.Errorf("ID = %s\nwant %s", got, inGroup)
	}
	// What was issued before there were groups is read on.
	if got, err := c.Decode(want); err != nil || got != single {
		t.Errorf("an ID of version 1 says %+v, %v", got, err)
	}
	if got, err := c.Decode(inGroup); err != nil || got != of {
		t.Errorf("an ID of version 2 says %+v, %v", got, err)
	}
}

// TestGroupIsRefusedWhereThereIsNone: an ID has one spelling only.
func TestGroupIsRefusedWhereThereIsNone(t *testing.T) {
	c := newCodec(t, testKey)
	w := c.pool.Get().(*work)
	n := w.put(Claims{Time: when, Group: 1, Count: 1})
	w.raw[offGroup] = 0
	w.sign(n)
	n += copy(w.raw[n:], w.sum[:macSize])
	if cl, err := c.Decode(encoding.EncodeToString(w.raw[:n])); !errors.Is(err, ErrMalformed) {
		t.Errorf("version 2 without a group: %+v, %v", cl, err)
	}
}

func TestDecodeRefuses(t *testing.T) {
	c := newCodec(t, testKey)
	id := string(c.AppendEncode(nil, single))
	batch := string(c.AppendEncode(nil, Claims{Time: when, Count: 3}))
	raw, err := base64.RawURLEncoding.DecodeString(id)
	if err != nil {
		t.Fatal(err)
	}
	edit := func(i int, b byte) string {
		r := append([]byte(nil), raw...)
		r[i] = b
		return base64.RawURLEncoding.EncodeToString(r)
	}
	for name, tc := range map[string]struct {
		id   string
		want error
	}{
		"empty":            {"", ErrMalformed},
		"too short":        {id[:20], ErrMalformed},
		"cut":              {id[:len(id)-1], ErrMalformed},
		"grown":            {id + "AAAA", ErrMalformed},
		"too long":         {strings.Repeat("A", MaxLen+1), ErrMalformed},
		"other alphabet":   {"+" + id[1:], ErrMalformed},
		"padding":          {id + "=", ErrMalformed},
		"line break":       {id[:10] + "\n" + id[10:], ErrMalformed},
		"newer version":    {edit(0, 3), ErrMalformed},
		"other version":    {edit(0, 2), ErrMalformed},
		"class length":     {edit(offClass, 4), ErrMalformed},
		"other arm":        {edit(offArm, 0), ErrForged},
		"client's own ID":  {"3f0c1a52-0f6e-4c58-9f0e-0b5f8f1f2f10", ErrMalformed},
		"index beyond":     {batch + ".3", ErrMalformed},
		"index of single":  {id + ".1", ErrMalformed},
		"index signed":     {batch + ".+1", ErrMalformed},
		"index padded":     {batch + ".01", ErrMalformed},
		"index empty":      {batch + ".", ErrMalformed},
		"index twice":      {batch + ".1.1", ErrMalformed},
		"index overflows":  {batch + ".99999999999999999999", ErrMalformed},
		"index of nothing": {".1", ErrMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := c.Decode(tc.id)
			if !errors.Is(err, tc.want) {
				t.Errorf("error = %v, want %v", err, tc.want)
			}
			if got != (Claims{}) {
				t.Errorf("claims = %+v with an error", got)
			}
		})
	}
}

func TestOtherKeyIsForged(t *testing.T) {
	id := string(newCodec(t, testKey).AppendEncode(nil, single))
	other := newCodec(t, []byte("another key of some length"))
	if _, err := other.Decode(id); !errors.Is(err, ErrForged) {
		t.Errorf("error = %v, want ErrForged", err)
	}
}

func TestBatchIndex(t *testing.T) {
	c := newCodec(t, testKey)
	id := string(c.AppendEncode(nil, Claims{Time: when, Count: 3}))
	for i := range 3 {
		item := string(AppendIndex(nil, id, i))
		base, index, err := SplitIndex(item)
		if err != nil || base != id || index != i {
			t.Fatalf("SplitIndex(%s) = %s, %d, %v", item, base, index, err)
		}
		if cl, err := c.Decode(item); err != nil || cl.Count != 3 {
			t.Fatalf("Decode(%s) = %+v, %v", item, cl, err)
		}
	}
	if base, index, err := SplitIndex(id); base != id || index != 0 || err != nil {
		t.Errorf("SplitIndex without index = %s, %d, %v", base, index, err)
	}
}

func TestClassKey(t *testing.T) {
	exact := strings.Repeat("é", 16)
	if got := ClassKey(exact); got != exact {
		t.Errorf("a class of %d bytes became %q", MaxClass, got)
	}
	a, b := strings.Repeat("é", 20)+"a", strings.Repeat("é", 20)+"b"
	ka, kb := ClassKey(a), ClassKey(b)
	if ka == kb {
		t.Error("two long classes with the same beginning have one key")
	}
	if !strings.HasPrefix(ka, strings.Repeat("é", 11)+"~") || len(ka) > MaxClass {
		t.Errorf("key %q does not end at a character", ka)
	}
	if got := ClassKey(ka); got != ka {
		t.Errorf("key of a key = %q, want %q", got, ka)
	}
}

func drawClaims(t *rapid.T) Claims {
	cl := Claims{
		Rollout:  rapid.Uint32().Draw(t, "rollout"),
		Revision: rapid.Uint32().Draw(t, "revision"),
		Arm:      rapid.Uint8().Draw(t, "arm"),
		Time:     time.UnixMilli(rapid.Int64Range(0, maxTime).Draw(t, "time")).UTC(),
		Flags:    Flags(rapid.Uint8Range(0, uint8(knownFlags)).Draw(t, "flags")),
		Nonce:    rapid.Uint64().Draw(t, "nonce"),
		Count:    rapid.Uint16Min(1).Draw(t, "count"),
		Group:    rapid.Uint8().Draw(t, "group"),
	}
	if rapid.Bool().Draw(t, "single") {
		cl.Count = 1
		cl.Class = ClassKey(rapid.String().Draw(t, "class"))
		if cl.HasScore = rapid.Bool().Draw(t, "scored"); cl.HasScore {
			cl.Score = rapid.Float32().Draw(t, "score")
		}
	}
	return cl
}

var plain = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

func TestAnyClaimsComeBack(t *testing.T) {
	c := newCodec(t, testKey)
	rapid.Check(t, func(t *rapid.T) {
		want := drawClaims(t)
		id := string(c.AppendEncode(nil, want))
		if !plain.MatchString(id) || len(id) > MaxLen {
			t.Fatalf("ID %q is not safe in a header or too long", id)
		}
		got, err := c.Decode(id)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestAnyFlippedBitIsRefused(t *testing.T) {
	c := newCodec(t, testKey)
	rapid.Check(t, func(t *rapid.T) {
		id := c.AppendEncode(nil, drawClaims(t))
		id[rapid.IntRange(0, len(id)-1).Draw(t, "byte")] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
		if cl, err := c.Decode(string(id)); err == nil {
			t.Fatalf("altered ID %q gave %+v", id, cl)
		}
	})
}

func TestConcurrentUse(t *testing.T) {
	c := newCodec(t, testKey)
	done := make(chan error)
	const workers = 4
	for i := range workers {
		go func() {
			var err error
			for n := uint64(0); n < 200 && err == nil; n++ {
				want := Claims{Time: when, Nonce: n, Arm: uint8(i), Count: 1}
				var got Claims
				if got, err = c.Decode(string(c.AppendEncode(nil, want))); err == nil && got != want {
					err = errors.New(cmp.Diff(want, got))
				}
			}
			done <- err
		}()
	}
	for range workers {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	c := newCodec(f, testKey)
	id := string(c.AppendEncode(nil, single))
	f.Add(id)
	f.Add(id + ".0")
	f.Add(string(c.AppendEncode(nil, Claims{Time: when, Count: 9})) + ".8")
	f.Add(string(c.AppendEncode(nil, Claims{Time: when, Class: "a", Group: 9})))
	f.Add(strings.Repeat("A", 64))
	f.Add("a.b")
	f.Fuzz(func(t *testing.T, s string) {
		cl, err := c.Decode(s)
		if err != nil {
			if !errors.Is(err, ErrMalformed) && !errors.Is(err, ErrForged) {
				t.Fatalf("error %v is neither malformed nor forged", err)
			}
			return
		}
		// Whatever is accepted has one spelling only.
		base, _, err := SplitIndex(s)
		if err != nil {
			t.Fatal(err)
		}
		if again := string(c.AppendEncode(nil, cl)); again != base {
			t.Fatalf("accepted %q, but its claims encode to %q", base, again)
		}
	})
}
