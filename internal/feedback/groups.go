package feedback

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"go.etcd.io/bbolt"

	"github.com/haldane-dev/haldane/internal/telemetry"
)

// Where users stay on their arm, what is counted is counted by group of users
// too. Groups times classes would be too many cells, so that a group is told
// apart only by how the predicted class reads; and all groups of a cohort are one
// record, which holds those alone of which there is anything.

// GroupAnswer is what became of one arm's predictions for one group of users.
type GroupAnswer struct {
	Unknown, Negative   Judged
	Predicted, Labelled int64
	Events              map[string]Came
}

// grouped are counts by group of users, from 1. An empty one is nil.
type grouped map[uint8]counts

// add adds the counts of one group. Histograms are not kept.
func (g grouped) add(group uint8, n counts) {
	n.bins = nil
	sum := g[group]
	sum.add(n)
	g[group] = sum
}

// groupedVersion is the first byte of a stored record of groups.
const groupedVersion = 1

// encode writes the groups in their order.
func (g grouped) encode() []byte {
	groups := make([]int, 0, len(g))
	for group := range g {
		groups = append(groups, int(group))
	}
	slices.Sort(groups)
	b := make([]byte, 0, 1+8*len(g))
	b = append(b, groupedVersion)
	for _, group := range groups {
		n := g[uint8(group)]
		b = append(b, byte(group))
		for _, x := range [...]int64{n.predicted, n.labelled, n.wrong, n.value.N} {
			b = binary.AppendUvarint(b, uint64(x))
		}
		if n.value.N > 0 {
			b = binary.BigEndian.AppendUint64(b, math.Float64bits(n.value.Sum))
			b = binary.BigEndian.AppendUint64(b, math.Float64bits(n.value.SumSq))
		}
	}
	return b
}

func decodeGrouped(b []byte) (grouped, error) {
	if len(b) == 0 {
		return nil, errRecord
	}
	if b[0] != groupedVersion {
		return nil, fmt.Errorf("feedback: groups of users in the database have format %d, this version reads %d", b[0], groupedVersion)
	}
	g := grouped{}
	r := reader{b: b[1:]}
	for len(r.b) > 0 {
		group := r.b[0]
		r.b = r.b[1:]
		var n counts
		for _, x := range [...]*int64{&n.predicted, &n.labelled, &n.wrong, &n.value.N} {
			*x = r.varint()
		}
		if n.value.N > 0 {
			n.value.Sum, n.value.SumSq = r.float(), r.float()
		}
		if _, twice := g[group]; r.bad || twice || group == 0 {
			return nil, errRecord
		}
		g[group] = n
	}
	return g, nil
}

// ungrouped returns c as cells were before there were groups.
func (c cell) ungrouped() cell {
	c.group = 0
	return c
}

// shared returns the cell whose record holds c among its groups: that of c's
// class as it reads, or of the event.
func (c cell) shared(event bool) cell {
	c.group = 0
	if !event {
		c.class = reads(c.class)
	}
	return c
}

// reads is how a predicted class reads.
func reads(class string) string {
	switch {
	case class == "":
		return Classless
	case isNegative(class):
		return Negative
	}
	return Positive
}

// write adds cells to what the database holds of them, with and without their
// groups.
func (l *Ledger) write(tx *bbolt.Tx, cells map[cell]counts, event bool) error {
	plain, whole := cohortsBucket, groupsBucket
	if event {
		plain, whole = eventsBucket, eventGroupsBucket
	}
	sums, groups := map[cell]counts{}, map[cell]grouped{}
	for c, n := range cells {
		sum := sums[c.ungrouped()]
		sum.add(n)
		sums[c.ungrouped()] = sum
		if c.group == 0 {
			continue
		}
		at := c.shared(event)
		if groups[at] == nil {
			groups[at] = grouped{}
		}
		groups[at].add(c.group, n)
	}
	for c, n := range sums {
		if err := l.addTo(tx, plain, c, n); err != nil {
			return err
		}
	}
	for c, n := range groups {
		if err := l.addGroups(tx, whole, c, n); err != nil {
			return err
		}
	}
	return nil
}

// addGroups adds to the groups of one cell.
func (l *Ledger) addGroups(tx *bbolt.Tx, bucket []byte, c cell, add grouped) error {
	b, key := l.bucket(tx, bucket), c.key()
	sum := grouped{}
	if old := b.Get(key); old != nil {
		var err error
		if sum, err = decodeGrouped(old); err != nil {
			return err
		}
	}
	for group, n := range add {
		sum.add(group, n)
	}
	return b.Put(key, sum.encode())
}

// group returns the answer for a group, from 1; nil for one beyond the bound.
func (a *ArmAnswer) group(n uint8) *GroupAnswer {
	if n == 0 || int(n) > telemetry.Groups {
		return nil
	}
	if a.Groups == nil {
		a.Groups = make([]GroupAnswer, telemetry.Groups)
	}
	return &a.Groups[n-1]
}

// addGroups adds what one cell holds by group.
func (a *ArmAnswer) addGroups(c cell, groups grouped) {
	for i, n := range groups {
		if g := a.group(i); g != nil {
			g.add(c.class, n)
		}
	}
}

// addEvents adds the events of one cell by group.
func (a *ArmAnswer) addEvents(c cell, groups grouped) {
	for i, n := range groups {
		g := a.group(i)
		if g == nil {
			continue
		}
		if g.Events == nil {
			g.Events = map[string]Came{}
		}
		g.Events[c.class] = g.Events[c.class].plus(n)
	}
}

// add adds counts whose predicted class reads so.
func (g *GroupAnswer) add(as string, n counts) {
	predicted := max(n.predicted, n.labelled)
	g.Predicted += predicted
	g.Labelled += n.labelled
	judge(&g.Unknown, &g.Negative, as, n)
}

// judge adds counts to what is judged of them, by the two things that a missing
// label can mean. A crash can lose predictions of which labels came nevertheless.
func judge(unknown, negative *Judged, as string, n counts) {
	predicted := max(n.predicted, n.labelled)
	if as != Classless { // else a number was predicted, or nothing: neither right nor wrong
		unknown.N += n.labelled
		unknown.Wrong += n.wrong
		negative.N += predicted
		negative.Wrong += n.wrong
		if as == Positive {
			negative.Wrong += predicted - n.labelled
		}
	}
	unknown.Value.Add(n.value)
	n.value.N = max(predicted, n.value.N)
	negative.Value.Add(n.value)
}
