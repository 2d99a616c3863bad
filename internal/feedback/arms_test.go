package feedback

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/haldane-dev/haldane/internal/traffic"
)

// TestArmsOfAnExperiment: as many as the options say, and no label for another.
func TestArmsOfAnExperiment(t *testing.T) {
	o := eventOptions()
	o.Arms = 3
	w := openWorld(t, filepath.Join(t.TempDir(), "db"), o)
	t.Cleanup(w.close)
	label := func(arm traffic.Arm, text string) Item {
		cl := w.claims(arm, "yes")
		w.ledger.Predicted(arm, "yes", cl.Time)
		it, err := (&body{ID: ptr(w.id(cl)), Label: []byte(text)}).item()
		if err != nil {
			t.Fatal(err)
		}
		return it
	}
	w.expect("of the third arm", label(2, `"no"`), Accepted)
	w.expect("of the first", label(traffic.Stable, `"yes"`), Accepted)
	cl := w.claims(3, "yes")
	it, err := (&body{ID: ptr(w.id(cl)), Label: []byte(`"yes"`)}).item()
	if err != nil {
		t.Fatal(err)
	}
	w.expect("of a fourth, which there is not", it, Unknown)
	w.at(80 * time.Second)
	a := w.matured(Question{})
	if x := a.Arms[2].Unknown; x.N != 1 || x.Wrong != 1 {
		t.Errorf("the third arm has %+v", x)
	}
	if x := a.Arms[traffic.Stable].Unknown; x.N != 1 || x.Wrong != 0 {
		t.Errorf("stable has %+v", x)
	}
	all, err := w.ledger.Coverage()
	if err != nil || len(all) != 3 || all[2].Labelled != 1 {
		t.Errorf("coverage %+v, %v", all, err)
	}
}

func ptr[T any](x T) *T { return &x }
