package e2e

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/haldane-dev/haldane/api/v1alpha1"
)

// mirrored waits until copies are known to be sent.
func (s *stage) mirrored(since time.Time, version, share string) seen {
	s.t.Helper()
	return s.watch.await(since, "requests are copied to "+version, func(x v1alpha1.ModelRolloutStatus) bool {
		return x.Canary.Version == version && x.Weight.Mirror == share && x.Weight.Observed == "0%"
	})
}

// unseen fails the test if a user got an answer of another version than v1 so far.
func (s *stage) unseen() {
	s.t.Helper()
	for version, n := range count(s.load.between(s.begun, time.Now())) {
		if version != "v1" {
			s.t.Errorf("%d users got %s", n, version)
		}
	}
}

// testBlueGreen: the candidate answers at its own Service and to copies while
// users get v1 alone; then most get it at once, and in the end all.
func testBlueGreen(s *stage) {
	at := s.release("good")
	from := s.mirrored(at, "good", "100%").at
	preview := byService(s.Cluster, "churn-canary."+s.name)
	eventually(s.t, "the preview is answered by good", func() error {
		version, _, err := read(preview(inference(customer(s.t))))
		if err == nil && version != "good" {
			err = fmt.Errorf("it is by %s", version)
		}
		return err
	})
	s.unseen()
	s.watch.carried(from, "good", "80%")
	s.promoted(at, "good")
	s.load.unharmed(s.begun)
}

// testShadow: a candidate whose answers to copies agree ends Completed, and one
// that answers otherwise is taken back; no user gets an answer of either.
func testShadow(s *stage) {
	at := s.release("good")
	s.mirrored(at, "good", "50%")
	s.watch.phase(at, "good", "Completed")
	eventually(s.t, "the candidate has ended", func() error { return s.replicas("churn", 0) })
	s.takenBack(s.release("drift"), "drift")
	s.unseen()
	s.load.unharmed(s.begun)
}

// testTexts: letters that say the same agree, whatever the number in them; a model
// that would call up half of the customers writes others.
func testTexts(s *stage) {
	at := s.release("good")
	s.watch.phase(at, "good", "Completed")
	end := s.watch.phase(s.release("drift"), "drift", "RolledBack")
	if why := end.status.Reason; !strings.HasPrefix(why, "answers differ in ") {
		s.t.Errorf("the reason is %q", why)
	}
	alike, err := s.query(`sum(haldane_gateway_pairs_aspect_comparable_total{of="text",rollout="` + s.name + `/churn"})`)
	if n, _ := strconv.ParseFloat(alike, 64); err != nil || n < 100 {
		s.t.Errorf("%q pairs of texts were compared (%v)", alike, err)
	}
	s.takenBack(at, "drift")
	s.unseen()
	s.load.unharmed(s.begun)
}
