package judge

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/haldane-dev/haldane/internal/analysis"
)

// The limits of what a line may say. Counts beyond 2^53 are not whole numbers in
// the arithmetic that judges them; times beyond the last are no seconds.
const (
	maxCount = 1 << 53
	maxTime  = 4e9
	maxNames = 1024 // members of one object
)

// decoder reads lines against the metrics of one rollout file. It belongs to one
// goroutine.
type decoder struct {
	metrics []analysis.Metric
	index   map[string]int
	names   []lists         // by metric, what is the same in every line
	ignored map[string]bool // metrics recorded but not compared
	seen    []bool          // metrics that had counts in some line
}

func newDecoder(cfg analysis.Config) *decoder {
	d := &decoder{
		metrics: cfg.Metrics, index: map[string]int{}, names: make([]lists, len(cfg.Metrics)),
		ignored: map[string]bool{}, seen: make([]bool, len(cfg.Metrics)),
	}
	for i, m := range cfg.Metrics {
		d.index[m.Name] = i
	}
	return d
}

// line reads one line. The error, if any, names the field.
func (d *decoder) line(text []byte) (id string, b Block, err error) {
	if !gjson.ValidBytes(text) {
		return "", b, wrong("", "%s", invalid(text))
	}
	all := gjson.ParseBytes(text)
	if !all.IsObject() {
		return "", b, wrong("", "is no JSON object: write one block of one rollout a line")
	}
	var has struct{ rollout, t, weight, metrics bool }
	err = fields(all, func(key string, v gjson.Result) error {
		switch key {
		case "rollout":
			id, has.rollout = v.Str, true
			if v.Type != gjson.String || id == "" {
				return wrong("", "is %s: write the name of the rollout", brief(v))
			}
		case "t":
			has.t = true
			return clock(v, &b.T)
		case "seconds":
			return number(v, &b.Seconds, 0, maxTime)
		case "weight":
			has.weight = true
			err := number(v, &b.Weight, 0, 100)
			b.Weight /= 100
			return err
		case "assigned":
			b.Assigned = make([]analysis.Assignment, 1)
			return assigned(v, &b.Assigned[0])
		case "metrics":
			has.metrics = true
			return d.measures(v, &b)
		default:
			return wrong("", "is not known here: a block has rollout, t, weight, metrics and optionally seconds and assigned")
		}
		return nil
	})
	switch {
	case err != nil:
	case !has.rollout:
		err = wrong("rollout", "is missing: write the name of the rollout")
	case !has.t:
		err = wrong("t", "is missing: write the seconds at the end of the block")
	case !has.weight:
		err = wrong("weight", "is missing: write the canary's share of traffic in percent")
	case !has.metrics:
		err = wrong("metrics", "is missing: write the counts of each metric")
	}
	for i := range b.Assigned {
		b.Assigned[i].Weight = b.Weight
	}
	return id, b, err
}

// fields visits the members of an object, and refuses what is not one or has a
// member twice.
func fields(v gjson.Result, visit func(key string, v gjson.Result) error) error {
	if !v.IsObject() {
		return wrong("", "is %s: write an object", brief(v))
	}
	var names [16]string // on the stack; objects here are small
	seen := names[:0]
	var err error
	v.ForEach(func(key, value gjson.Result) bool {
		for _, s := range seen {
			if s == key.Str {
				err = wrong(key.Str, "is given twice")
				return false
			}
		}
		if len(seen) == maxNames {
			err = wrong("", "has more than %d members", maxNames)
			return false
		}
		seen = append(seen, key.Str)
		if strings.IndexByte(key.Raw, '\\') >= 0 {
			err = wrong(key.Str, "has an escape in its name: write it plainly")
		} else if err = visit(key.Str, value); err != nil {
			err = within(key.Str, err)
		}
		return err == nil
	})
	return err
}

// clock reads t.
func clock(v gjson.Result, t *float64) error {
	if err := number(v, t, 0, math.Inf(1)); err != nil {
		return err
	}
	if *t > maxTime {
		return wrong("", "is %s: write seconds, not milliseconds", brief(v))
	}
	return nil
}

// number reads a finite number in [low, high].
func number(v gjson.Result, x *float64, low, high float64) error {
	if v.Type != gjson.Number {
		return wrong("", "is %s: write a number", brief(v))
	}
	*x = v.Num
	switch {
	case math.IsInf(*x, 0) || math.IsNaN(*x):
		return wrong("", "is %s: too large to be read", brief(v))
	case *x < low:
		return wrong("", "is %s: below %g", brief(v), low)
	case *x > high:
		return wrong("", "is %s: above %g", brief(v), high)
	}
	return nil
}

// whole reads a count.
func whole(v gjson.Result, n *int64) error {
	if v.Type != gjson.Number {
		return wrong("", "is %s: write a whole number", brief(v))
	}
	x, err := strconv.ParseInt(v.Raw, 10, 64)
	if err != nil { // 1e3 and 75.0 are whole too
		if v.Num != math.Trunc(v.Num) || math.Abs(v.Num) > maxCount {
			return wrong("", "is %s: write a whole number of at most 2^53", brief(v))
		}
		x = int64(v.Num)
	}
	if x < 0 || x > maxCount {
		return wrong("", "is %s: counts are from 0 to 2^53", brief(v))
	}
	*n = x
	return nil
}

// assigned reads the random decisions of a block.
func assigned(v gjson.Result, a *analysis.Assignment) error {
	return fields(v, func(key string, v gjson.Result) error {
		switch key {
		case "stable":
			return whole(v, &a.Stable)
		case "canary":
			return whole(v, &a.Canary)
		}
		return wrong("", "is not known here: write stable and canary")
	})
}

// brief shows a value in a message.
func brief(v gjson.Result) string {
	text := v.Raw
	if r := []rune(text); len(r) > 40 {
		text = string(r[:39]) + "…"
	}
	if text == "" {
		return "nothing"
	}
	return text
}

// invalid says why a line is no JSON.
func invalid(text []byte) string {
	var v any
	err := json.Unmarshal(text, &v)
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		return fmt.Sprintf("is no valid JSON at column %d: %v", syntax.Offset, err)
	}
	return "is no valid JSON"
}
