package gateway

import (
	"fmt"
	"math"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/maxmind/mmdbwriter"
	"github.com/maxmind/mmdbwriter/mmdbtype"
	"net"

	"github.com/haldane-dev/haldane/internal/traffic"
)

// armOf answers with the arm that the gateway says it chose.
var armOf = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.Header.Get(HeaderArm)) })

func TestSplitFollowsTheWeight(t *testing.T) {
	const n = 2000
	r := start(t, armOf, armOf)
	c := client(t)
	for i, percent := range []float64{0, 5, 50, 100} {
		w := traffic.Percent(percent)
		r.split(t, traffic.Split{Generation: uint64(i + 1), Canary: w})
		canary := 0
		for range n {
			if _, arm := do(t, c, "GET", r.url("/"), ""); arm == "canary" {
				canary++
			}
		}
		// Six standard deviations: one run in 5·10⁸ strays further.
		p := w.Share()
		if slack := 6 * math.Sqrt(n*p*(1-p)); math.Abs(float64(canary)-n*p) > slack {
			t.Errorf("at %s %d of %d went to the canary, want %.0f ± %.0f", w, canary, n, n*p, slack)
		}
	}
	r.ledger.await(t, "all", func() bool { return len(r.ledger.exchanges) == 4*n && len(r.ledger.assigned) == 4*n })
	for i, x := range r.ledger.exchanges {
		if want := uint64(i/n + 1); x.Generation != want {
			t.Fatalf("exchange %d has generation %d, want %d", i, x.Generation, want)
		}
	}
}

func TestStickyKeysStayWhileTheWeightGrows(t *testing.T) {
	for name, by := range map[string]traffic.Sticky{"header": {Header: "x-user-id"}, "cookie": {Cookie: "user"}} {
		t.Run(name, func(t *testing.T) {
			r := start(t, armOf, armOf)
			c := client(t)
			moved := map[int]bool{}
			for i, percent := range []float64{10, 30, 60, 100} {
				r.split(t, traffic.Split{Generation: uint64(i + 1), Canary: traffic.Percent(percent), Salt: "s", Sticky: by})
				for user := range 60 {
					key := fmt.Sprintf("u%d", user)
					_, first := do(t, c, "GET", r.url("/"), "", "X-User-Id", key, "Cookie", "a=b; user="+key)
					_, again := do(t, c, "GET", r.url("/"), "", "X-User-Id", key, "Cookie", "user="+key)
					if first != again {
						t.Fatalf("%s went to %s and to %s at one weight", key, first, again)
					}
					if moved[user] && first != "canary" {
						t.Fatalf("%s was moved back at %g%%", key, percent)
					}
					moved[user] = first == "canary"
				}
			}
			if len(moved) != 60 || !moved[0] {
				t.Error("not everybody is on the canary at 100%")
			}
		})
	}
}

// TestIDsNameTheGroupOfAUser, and none where nobody is known.
func TestIDsNameTheGroupOfAUser(t *testing.T) {
	r := start(t, armOf, armOf)
	r.split(t, traffic.Split{Generation: 1, Canary: traffic.Percent(30), Salt: "s", Sticky: traffic.Sticky{Header: "x-user"}})
	for user := range 20 {
		key := fmt.Sprintf("u%d", user)
		resp, arm := do(t, client(t), "GET", r.url("/"), "", "X-User", key)
		claims, err := r.codec.Decode(resp.Header.Get(HeaderPredictionID))
		if err != nil {
			t.Fatal(err)
		}
		if want := 1 + int(traffic.KeyHash("s", key)%10_000)/100; int(claims.Group) != want || (claims.Group <= 30) != (arm == "canary") {
			t.Errorf("%s is in group %d and on %s; the ID says %d", key, want, arm, claims.Group)
		}
	}
	resp, _ := do(t, client(t), "GET", r.url("/"), "")
	if claims, err := r.codec.Decode(resp.Header.Get(HeaderPredictionID)); err != nil || claims.Group != 0 {
		t.Errorf("of nobody known: %+v, %v", claims, err)
	}
}

func TestAlwaysAndNever(t *testing.T) {
	r := start(t, armOf, armOf)
	split := traffic.Split{
		Generation: 1, Open: true, Sticky: traffic.Sticky{Header: "x-user"},
		Always: []traffic.Match{
			{Header: &traffic.Field{Name: "x-canary", Exact: "true"}},
			{Cookie: &traffic.Field{Name: "canary", Prefix: "al"}},
			{Cohort: "beta"},
			{Header: &traffic.Field{Name: "host", Exact: "beta.example"}},
		},
		Never: []traffic.Match{{Header: &traffic.Field{Name: "x-vip"}}},
	}
	r.table.Cohorts = map[string][]string{"beta": {"ada"}}
	r.split(t, split)
	for _, c := range []struct {
		header []string
		arm    string
		forced bool
	}{
		{nil, "stable", false},
		{[]string{"X-Canary", "true"}, "canary", true},
		{[]string{"X-Canary", "false"}, "stable", false},
		{[]string{"Cookie", "x=y; canary=always"}, "canary", true},
		{[]string{"X-User", "ada"}, "canary", true},
		{[]string{"X-User", "bob"}, "stable", false},
		{[]string{"X-Canary", "true", "X-Vip", "1"}, "stable", true},
	} {
		n := len(r.ledger.exchanges)
		if _, arm := do(t, client(t), "GET", r.url("/"), "", c.header...); arm != c.arm {
			t.Errorf("%v went to %s, want %s", c.header, arm, c.arm)
		}
		if x := r.ledger.exchange(t, n); x.Forced != c.forced {
			t.Errorf("%v is recorded as forced %v", c.header, x.Forced)
		}
	}
	conn := dial(t, r.addr)
	conn.send("GET / HTTP/1.1\r\nHost: beta.example\r\n\r\n")
	if _, arm := conn.receive("GET"); arm != "canary" {
		t.Errorf("by host: %s", arm)
	}
}

func TestWarmupIsNoEvidence(t *testing.T) {
	r := start(t, armOf, nil)
	r.split(t, traffic.Split{Generation: 1, Mirror: traffic.Full})
	do(t, client(t), "POST", r.url(inferPath), "{}", HeaderWarmup, "1")
	if x := r.ledger.exchange(t, 0); !x.Warmup {
		t.Errorf("recorded %+v", x)
	}
	if len(r.ledger.assigned) != 0 || r.ledger.dropped != 0 {
		t.Error("a warm-up request was assigned or mirrored")
	}
}

// countryFile writes a MaxMind file with two networks.
func countryFile(t *testing.T) string {
	t.Helper()
	tree, err := mmdbwriter.New(mmdbwriter.Options{DatabaseType: "GeoLite2-Country", RecordSize: 24, IncludeReservedNetworks: true})
	must(t, err)
	for network, code := range map[string]string{"127.0.0.0/8": "NL", "81.2.69.0/24": "SE"} {
		_, n, err := net.ParseCIDR(network)
		must(t, err)
		must(t, tree.Insert(n, mmdbtype.Map{"country": mmdbtype.Map{"iso_code": mmdbtype.String(code)}}))
	}
	path := filepath.Join(t.TempDir(), "country.mmdb")
	f, err := os.Create(path)
	must(t, err)
	_, err = tree.WriteTo(f)
	must(t, err)
	must(t, f.Close())
	return path
}

func TestCountries(t *testing.T) {
	file := countryFile(t)
	for _, c := range []struct {
		name    string
		trusted bool
		header  []string
		country string
	}{
		{"by address", false, nil, "NL"},
		{"a stranger's word is no word", false, []string{"X-Forwarded-For", "81.2.69.1", "Cf-Ipcountry", "SE"}, "NL"},
		{"a proxy's client", true, []string{"X-Forwarded-For", "6.6.6.6, 81.2.69.1"}, "SE"},
		{"a proxy behind a proxy", true, []string{"X-Forwarded-For", "81.2.69.1, 127.0.0.9"}, "SE"},
		{"a proxy's word", true, []string{"Cf-Ipcountry", "se", "X-Forwarded-For", "127.0.0.9"}, "SE"},
		{"a proxy's word that is none", true, []string{"Cf-Ipcountry", "T1", "X-Forwarded-For", "81.2.69.1"}, "SE"},
		{"unreadable", true, []string{"X-Forwarded-For", "81.2.69.1, what"}, "NL"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := start(t, armOf, armOf, func(cfg *Config) {
				cfg.CountryDB, cfg.CountryHeader = file, "CF-IPCountry"
				cfg.TrustedProxies = prefixes("10.0.0.0/8")
				if c.trusted {
					cfg.TrustedProxies = prefixes("127.0.0.0/8")
				}
			})
			for _, country := range []string{"NL", "SE"} {
				r.split(t, traffic.Split{Generation: 1, Open: true, Always: []traffic.Match{{Country: []string{country}}}})
				_, arm := do(t, client(t), "GET", r.url("/"), "", c.header...)
				if (arm == "canary") != (country == c.country) {
					t.Errorf("always %s: went to %s", country, arm)
				}
			}
		})
	}
}

func TestBadConfigIsRefused(t *testing.T) {
	damaged := filepath.Join(t.TempDir(), "bad.mmdb")
	must(t, os.WriteFile(damaged, []byte("no database"), 0o600))
	for want, change := range map[string]func(*Config){
		"Recorder is required":         func(c *Config) { c.Recorder = nil },
		"HeldBody":                     func(c *Config) { c.Limits.HeldBody = -1 },
		"feedback path":                func(c *Config) { c.FeedbackPath = "feedback" },
		"must begin with /":            func(c *Config) { c.FeedbackPath = "/-/haldane/feedback" },
		"only from trusted proxies":    func(c *Config) { c.CountryHeader = "CF-IPCountry" },
		"open country file /no/where":  func(c *Config) { c.CountryDB = "/no/where" },
		"open country file " + damaged: func(c *Config) { c.CountryDB = damaged },
	} {
		c := Config{Recorder: newLedger()}
		change(&c)
		if _, err := New(c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q in it", err, want)
		}
	}
}

func TestBadTableIsRefusedAndTheOldOneStays(t *testing.T) {
	r := start(t, armOf, armOf)
	before, _ := r.Table()
	for want, change := range map[string]func(*Table){
		"want http:// or https://": func(t *Table) { t.Upstreams[1].URL = "ftp://x" },
		"the host is missing":      func(t *Table) { t.Upstreams[0].URL = "http://" },
		"cannot be part":           func(t *Table) { t.Upstreams[0].URL = "http://u:p@x" },
		"cannot be sent":           func(t *Table) { t.Upstreams[0].Version = "v\n1" },
		"is not known":             func(t *Table) { t.Upstreams[0].Speech = "h3" },
		"between 0% and 100%":      func(t *Table) { t.Split.Canary = -1 },
		"needs a country file":     func(t *Table) { t.Split.Never = []traffic.Match{{Country: []string{"NL"}}} },
		"is not defined":           func(t *Table) { t.Split.Always = []traffic.Match{{Cohort: "x"}} },
	} {
		table := r.table
		change(&table)
		if err := r.SetTable(table); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q in it", err, want)
		}
	}
	if after, _ := r.Table(); after.Upstreams != before.Upstreams {
		t.Error("a refused table took hold")
	}
}

func FuzzCookie(f *testing.F) {
	for _, s := range []string{"a=b", "a=b; c=d", `c="x y"`, "c=", "=c", ";;c=1", "a=1;c=2;c=3", "c = 4", "c=\x00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, line string) {
		h := http.Header{"Cookie": {line}}
		want := ""
		// net/http skips what it cannot read, and so must the gateway.
		if c, err := (&http.Request{Header: h}).Cookie("c"); err == nil {
			want = c.Value
		}
		if got := cookie(h["Cookie"], "c"); got != want {
			t.Errorf("cookie %q of %q, net/http reads %q", got, line, want)
		}
	})
}

func FuzzClient(f *testing.F) {
	p := &policy{cfg: Config{TrustedProxies: prefixes("10.0.0.0/8", "fd00::/8")}}
	for _, s := range []string{"1.2.3.4", "6.6.6.6, 1.2.3.4, 10.0.0.1", "x", "::1, fd00::1", ",,", "1.2.3.4:80"} {
		f.Add(s)
	}
	peer := netip.MustParseAddr("10.9.9.9")
	f.Fuzz(func(t *testing.T, forwarded string) {
		got := p.client(forwarded, peer)
		if !got.IsValid() {
			t.Fatalf("no address of %q", forwarded)
		}
		// Whatever stands to the left of the first stranger is a stranger's word.
		if !p.trusts(got) && p.client("203.0.113.7, "+forwarded, peer) != got {
			t.Errorf("an entry put before %q changes the client", forwarded)
		}
	})
}
