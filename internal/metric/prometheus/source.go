package prometheus

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/haldane-dev/haldane/internal/analysis"
	"github.com/haldane-dev/haldane/internal/metric"
	"github.com/haldane-dev/haldane/internal/traffic"
)

const (
	// DefaultScrapeInterval is how often processes are taken to be scraped.
	DefaultScrapeInterval = 15 * time.Second
	// scrapesPerBlock is how many scrapes a block must hold, so that what
	// happened between two of them is in it.
	scrapesPerBlock = 2
	// longestScrape is how long a scrape may take by default: its samples have
	// the time at which it began, and are there when it has ended.
	longestScrape = 10 * time.Second
	// longest is how much of the past one block makes up for. What is older is
	// left out.
	longest = time.Hour
	// scrapesBack is how many scrapes before a block the value at its beginning
	// is looked for at first. One that is older is asked for by itself.
	scrapesBack = 4
)

// Config is what a Source needs. Address, Arms and Series are required.
type Config struct {
	Address   string
	Transport http.RoundTripper                     // nil for the default
	Token     func(context.Context) (string, error) // of every question; nil for none
	Arms      Arms
	Match     string                     // label matchers added to every selector
	Metrics   map[string]analysis.Metric // what the metrics are, for the bounds of means
	Series    map[string]Series          // by name of the metric
	Assigned  string                     // counter of random decisions with the label weight; "" if there is none
	// Treatment is the arm that Arms tells from stable: the canary, or a variant of
	// an experiment, which takes its place in the counts.
	Treatment traffic.Arm
	// ScrapeInterval is the longest of the processes asked about; 0 is
	// DefaultScrapeInterval.
	ScrapeInterval time.Duration
}

// Source counts what one rollout's arms did while it runs. It implements
// metric.Source.
type Source struct {
	cfg    Config
	server *server
	lag    time.Duration

	mu      sync.Mutex
	missing []string // selectors that found nothing in the last block
}

var _ metric.Source = (*Source)(nil)

// New returns the source of one rollout. It asks nobody anything. The error names
// what is missing.
func New(c Config) (*Source, error) {
	if c.ScrapeInterval <= 0 {
		c.ScrapeInterval = DefaultScrapeInterval
	}
	c.Treatment = max(c.Treatment, traffic.Canary)
	if c.Arms == nil {
		return nil, errors.New("nothing says which series are of which arm")
	}
	for _, name := range slices.Sorted(maps.Keys(c.Metrics)) {
		if err := c.Series[name].complete(c.Metrics[name]); err != nil {
			return nil, err
		}
	}
	s, err := connect(c.Address, c.Transport, c.Token)
	if err != nil {
		return nil, err
	}
	return &Source{cfg: c, server: s, lag: min(c.ScrapeInterval, longestScrape)}, nil
}

// Missing returns the selectors that found no series of either arm when the last
// block was counted. It does not wait.
func (s *Source) Missing() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.missing)
}

func (s *Source) note(parts []*part, who Attribution) {
	var missing []string
	for _, p := range parts {
		// What is rare, such as failures, may never have happened.
		often := p.name == partTotal || p.name == partBuckets || p.name == partClasses || p.name == partPredictions || p.name == partAssigned
		if often && len(p.known(who)) == 0 {
			missing = append(missing, p.plain)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.missing = missing
}

// Collect implements metric.Source. The block it returns ends a scrape before the
// window does, and has no counts, and the cursor it was asked after, while it
// would hold less than two scrapes.
func (s *Source) Collect(ctx context.Context, q metric.Query, w metric.Window) (analysis.Sample, error) {
	c := s.begin(q, w)
	until := w.End.Add(-s.lag).Truncate(time.Millisecond)
	if until.Sub(c.at()) < scrapesPerBlock*s.cfg.ScrapeInterval {
		return analysis.Sample{Start: c.at(), End: c.at(), Cursor: c.String()}, nil
	}
	if oldest := until.Add(-longest); c.at().Before(oldest) {
		c.At = oldest.UnixMilli()
	}
	who, err := s.cfg.Arms.Series(ctx, q.Revision)
	if err != nil {
		return analysis.Sample{}, fmt.Errorf("%w: which series are of which arm: %w", metric.ErrUnavailable, err)
	}
	parts := s.parts(q, c, who)
	if !who.None {
		for from := c.at(); from.Before(until); {
			end := earliest(from.Add(piece), until)
			if err := s.stretch(ctx, parts, span{from, end}, c, who); err != nil {
				return analysis.Sample{}, err
			}
			from = end
		}
	}
	s.note(parts, who)
	sample := analysis.Sample{Start: c.at(), End: until, Metrics: map[string]analysis.Measure{}}
	if err := s.fill(&sample, parts, who); err != nil {
		return analysis.Sample{}, err
	}
	c.At = until.UnixMilli()
	c.remember(parts)
	sample.Cursor = c.String()
	return sample, nil
}

// begin says where the block begins.
func (s *Source) begin(q metric.Query, w metric.Window) cursor {
	start := w.Start
	if start.IsZero() {
		start = w.End // nothing before is anybody's
	}
	at := start.UnixMilli()
	c, ok := parse(w.After)
	if !ok || c.Revision != q.Revision || c.at().Sub(w.End) > longest { // the last: clocks were set back
		return cursor{Revision: q.Revision, At: at, Floor: at, Weight: w.Weight, Slots: w.Slots}
	}
	if c.Weight != w.Weight || c.Slots != w.Slots {
		c.At, c.Floor, c.Weight, c.Slots = max(c.At, at), at, w.Weight, w.Slots
	}
	return c
}
