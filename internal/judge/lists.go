package judge

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"
)

// lists are edges and bins as they were last written, so that equal ones are
// read once.
type lists struct {
	edgesText, binsText string
	edges               []float64
	bins                []string
}

// readEdges reads ascending positive edges, or takes those of the line before.
func (l *lists) readEdges(v gjson.Result, out *[]float64) error {
	if v.Raw == l.edgesText {
		*out = l.edges
		return nil
	}
	if !v.IsArray() {
		return wrong("", "is %s: write a list of seconds", brief(v))
	}
	var list []float64
	var err error
	last := 0.0
	v.ForEach(func(_, v gjson.Result) bool {
		var x float64
		if err = number(v, &x, 0, math.Inf(1)); err == nil && x <= last {
			err = wrong("", "is %s: edges are above 0 and ascend", brief(v))
		}
		if err != nil {
			err = within("["+strconv.Itoa(len(list))+"]", err)
			return false
		}
		last = x
		list = append(list, x)
		return true
	})
	if err == nil {
		l.edgesText, l.edges = strings.Clone(v.Raw), list
	}
	*out = list
	return err
}

// readBins reads distinct names, or takes those of the line before.
func (l *lists) readBins(v gjson.Result, out *[]string) error {
	if v.Raw == l.binsText {
		*out = l.bins
		return nil
	}
	if !v.IsArray() {
		return wrong("", "is %s: write a list of names", brief(v))
	}
	var list []string
	var err error
	v.ForEach(func(_, v gjson.Result) bool {
		if v.Type != gjson.String {
			err = wrong("["+strconv.Itoa(len(list))+"]", "is %s: write a name in quotes", brief(v))
			return false
		}
		list = append(list, strings.Clone(v.Str)) // kept by the state: not the whole line
		return true
	})
	if err == nil {
		sorted := slices.Sorted(slices.Values(list))
		if i := len(slices.Compact(sorted)); i < len(list) {
			err = wrong("", "names a bin twice")
		}
	}
	if err == nil {
		l.binsText, l.bins = strings.Clone(v.Raw), list
	}
	*out = list
	return err
}
