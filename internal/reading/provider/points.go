package provider

import (
	"slices"

	"github.com/haldane-dev/haldane/internal/reading"
)

// sorted brings points in the order of their times.
func sorted(points []reading.Value) {
	slices.SortStableFunc(points, func(a, b reading.Value) int { return a.At.Compare(b.At) })
}
