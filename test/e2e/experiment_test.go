package e2e

import (
	"strconv"
	"strings"

	"github.com/haldane-dev/haldane/api/v1alpha1"
)

// testExperiment: half of the customers get a model that is wrong, and never
// fails. What they did in the end decides: the control wins, and keeps its place.
func testExperiment(s *stage) {
	at := s.release("wrong")
	s.watch.carried(at, "wrong", "50%")
	end := s.watch.phase(at, "wrong", "Completed")
	if !strings.HasPrefix(end.status.Reason, "stable wins: it is better than canary by ") {
		s.t.Errorf("the reason is %q", end.status.Reason)
	}
	eventually(s.t, "the candidate has ended", func() error { return s.replicas("churn", 0) })
	if err := s.image("churn-stable", "churn:v1"); err != nil {
		s.t.Error(err)
	}
	s.only("v1")
	s.labels.taken()
	s.load.unharmed(s.begun)
	s.saw("wrong", at, end)
}

// testAllocated: the models themselves count the goal. The weights follow it, and
// what wins by it, and does not fail, takes stable's place.
func testAllocated(s *stage) {
	at := s.release("good")
	s.watch.await(at, "the weights follow the evidence", func(x v1alpha1.ModelRolloutStatus) bool {
		w := x.Weight
		return x.Canary.Version == "good" && x.Phase == "Progressing" && w.Wanted == w.Observed && w.Wanted > "50%" && w.Wanted != "100%"
	})
	s.promoted(at, "good")
	s.load.unharmed(s.begun)
}

// testFutile: what the proxy counts is the goal, and by that no arm can be better
// by enough.
func testFutile(s *stage) {
	at := s.release("good")
	s.watch.carried(at, "good", "50%")
	end := s.watch.phase(at, "good", "Completed")
	if !strings.HasPrefix(end.status.Reason, "no arm can be better than stable by 5pp: canary ") {
		s.t.Errorf("the reason is %q", end.status.Reason)
	}
	s.only("v1")
	s.load.unharmed(s.begun)
}

// testArms: three arms, one of them a Deployment of its own. Labels of all three
// decide, and the control wins.
func testArms(s *stage) {
	at := s.release("wrong")
	s.watch.carried(at, "wrong", "33%")
	end := s.watch.phase(at, "wrong", "Completed")
	if r := end.status.Reason; !strings.HasPrefix(r, "stable wins: it is better than canary by ") || !strings.Contains(r, " and drift by ") {
		s.t.Errorf("the reason is %q", r)
	}
	seen := count(s.load.between(at, end.at))
	for _, version := range []string{"v1", "wrong", "drift"} {
		if seen[version] < 100 {
			s.t.Errorf("%s answered %d of %v", version, seen[version], seen)
		}
	}
	eventually(s.t, "the candidate has ended", func() error { return s.replicas("churn", 0) })
	if err := s.replicas("churn-drift", 1); err != nil {
		s.t.Error(err)
	}
	s.only("v1")
	s.labels.taken()
	s.load.unharmed(s.begun)
	s.saw("drift", at, end)
}

// testUsers: users come again and again, each about customers of their own, and
// whom chance has given an arm stays there until the end. What comes back is
// counted by groups of them, and it is those that decide.
func testUsers(s *stage) {
	at := s.release("wrong")
	s.watch.carried(at, "wrong", "50%")
	end := s.watch.phase(at, "wrong", "Completed")
	if r := end.status.Reason; !strings.HasPrefix(r, "stable wins: it is better than canary by ") {
		s.t.Errorf("the reason is %q", r)
	}
	had, again := map[string]string{}, 0
	for _, span := range s.watch.spans("wrong", "50%") {
		for _, a := range s.load.between(span[0], span[1]) {
			before, known := had[a.user]
			switch {
			case a.err != nil:
				continue // unharmed tells
			case known && before != a.version:
				s.t.Errorf("%s had %s and then %s", a.user, before, a.version)
			case known:
				again++
			}
			had[a.user] = a.version
		}
	}
	wrong := 0
	for _, version := range had {
		if version == "wrong" {
			wrong++
		}
	}
	if s.t.Logf("%d users came again %d times", len(had), again); again < 100 {
		s.t.Error("too few to tell whether they stay")
	}
	within(s.t, "users of wrong", wrong, len(had), 0.5)
	groups, err := s.query(`count(count by (group) (max_over_time(haldane_gateway_group_outcomes_total{arm="canary",rollout="` + s.name + `/churn"}[5m])))`)
	if n, _ := strconv.Atoi(groups); err != nil || n < 30 || n > 50 {
		s.t.Errorf("labels of the candidate came back for %q groups of users, want nearly 50 (%v)", groups, err)
	}
	eventually(s.t, "the candidate has ended", func() error { return s.replicas("churn", 0) })
	s.only("v1")
	s.labels.taken()
	s.load.unharmed(s.begun)
	s.saw("wrong", at, end)
}
