package traffic

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// slotsOf is n hundredths for each arm, in their order from the canary on, and
// stable's at the end.
func slotsOf(stable int, others ...int) string {
	out := ""
	for i, n := range others {
		out += strings.Repeat(string(rune('1'+i)), n)
	}
	return out + strings.Repeat("0", stable)
}

func threeArms() Split {
	return Split{
		Canary: 3300, Slots: slotsOf(34, 33, 33), Salt: "s", Sticky: Sticky{Header: "u"}, Open: true,
		Variants: []Variant{{Name: "v3", Always: []Match{{Header: &Field{Name: "try", Exact: "v3"}}}}},
	}
}

func TestSlotsShareTraffic(t *testing.T) {
	s := threeArms()
	table := compileT(t, s, nil)
	var got [3]int
	for i := range 100_000 {
		got[table.Pick(request{}, uint64(i)*0x9e3779b97f4a7c15).Arm]++
	}
	for arm, n := range got {
		want := float64(s.Share(Arm(arm))) * 10
		if d := float64(n) - want; d > 1000 || d < -1000 {
			t.Errorf("%s got %d of 100000 requests, want about %.0f", s.Name(Arm(arm)), n, want)
		}
	}
	if name := s.Name(2); name != "v3" {
		t.Errorf("arm 2 is called %q", name)
	}
	if c := table.Pick(header("try", "v3"), 0); c.Arm != 2 || !c.Forced {
		t.Errorf("a match of the variant gave %+v", c)
	}
	s.Open = false
	if c := compileT(t, s, nil).Pick(header("try", "v3"), 0); c.Forced {
		t.Errorf("a match of a closed split gave %+v", c)
	}
}

// TestOnlyUsersOfChangedSlotsMove: whatever is dealt out anew, a user whose
// hundredth keeps its arm stays there.
func TestOnlyUsersOfChangedSlotsMove(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draw := func(label string) Split {
			s := threeArms()
			b := []byte(s.Slots)
			for range rapid.IntRange(0, 40).Draw(t, label+" changes") {
				b[rapid.IntRange(0, NumSlots-1).Draw(t, "slot")] = '0' + rapid.ByteRange(0, 2).Draw(t, "arm")
			}
			s.Slots = string(b)
			s.Canary = SlotShare(s.Slots, Canary)
			return s
		}
		before, after := draw("before"), draw("after")
		r := header("u", rapid.StringN(1, 20, -1).Draw(t, "user"))
		a := mustCompile(t, before).Pick(r, rapid.Uint64().Draw(t, "draw"))
		b := mustCompile(t, after).Pick(r, rapid.Uint64().Draw(t, "another draw"))
		slot := a.Bucket / uint16(Full/NumSlots)
		if kept := before.Slots[slot] == after.Slots[slot]; kept != (a.Arm == b.Arm) {
			t.Fatalf("slot %d went from arm %c to %c, its user from %s to %s", slot, before.Slots[slot], after.Slots[slot], a.Arm, b.Arm)
		}
	})
}

func TestSlotsAreChecked(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*Split)
		want   string
	}{
		"too short":            {func(s *Split) { s.Slots = s.Slots[1:] }, "99 slots"},
		"none":                 {func(s *Split) { s.Slots = "" }, "0 slots"},
		"another weight":       {func(s *Split) { s.Canary = 5000 }, "the weight 50%"},
		"an arm that is not":   {func(s *Split) { s.Slots = s.Slots[:99] + "3" }, "belongs to no arm"},
		"no digit":             {func(s *Split) { s.Slots = s.Slots[:99] + "x" }, "belongs to no arm"},
		"too many arms":        {func(s *Split) { s.Variants = make([]Variant, 7) }, "9 arms"},
		"a match of two kinds": {func(s *Split) { s.Variants[0].Always[0].Cohort = "c" }, "v3.always[0]"},
	} {
		s := threeArms()
		tt.change(&s)
		if _, err := Compile(s, map[string][]string{"c": nil}); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v, want one with %q", name, err, tt.want)
		}
	}
}

func TestSlotsSurviveJSON(t *testing.T) {
	want := threeArms()
	data, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var got Split
	if err := json.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	// Rollouts of two arms are written as they were before there were more.
	if data, _ = json.Marshal(Split{Canary: 500}); string(data) != `{"generation":0,"canary":500}` {
		t.Errorf("a split of two arms is written %s", data)
	}
	o := Observed{Level: Accepted, Canary: 3300, Slots: want.Slots}
	if !o.Carries(want) {
		t.Error("what is carried is not recognised")
	}
	if o.Slots = slotsOf(33, 33, 34); o.Carries(want) {
		t.Error("other slots count as carried")
	}
}

func TestPickOfSlotsDoesNotAllocate(t *testing.T) {
	table := compileT(t, threeArms(), nil)
	var r Request = header("u", "ann")
	if n := testing.AllocsPerRun(100, func() { table.Pick(r, 7) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
