package rollout

import (
	"fmt"
	"slices"
)

// obeyPeople answers the commands in the order they came in, each in the
// state that the one before left.
func (t *turn) obeyPeople() {
	for _, c := range t.o.Commands {
		r := t.answer(c)
		t.replies = append(t.replies, r)
		t.aim()
	}
}

// answer obeys c at most once, whatever it has asked for: a repetition gets
// the first answer again.
func (t *turn) answer(c Command) Reply {
	if c.ID == "" {
		return Reply{Message: "A command needs an ID of its own, so that it is obeyed once"}
	}
	if slices.Contains(t.s.Seen, c.ID) {
		return Reply{ID: c.ID, Accepted: true, Message: "This was already done"}
	}
	for _, r := range t.s.Refused {
		if r.ID == c.ID {
			return r
		}
	}
	done, refused := t.obey(c)
	if refused != "" {
		r := Reply{ID: c.ID, Message: refused}
		t.s.Refused = newest(t.s.Refused, r, maxRefused)
		return r
	}
	t.s.Seen = newest(t.s.Seen, c.ID, maxSeen)
	return Reply{ID: c.ID, Accepted: true, Message: done}
}

// newest appends x to a copy of all and keeps the last n.
func newest[T any](all []T, x T, n int) []T {
	all = append(slices.Clone(all), x)
	return all[max(0, len(all)-n):]
}

// obey does what c asks for and says what happens now, or says why not and
// what to do instead.
func (t *turn) obey(c Command) (done, refused string) {
	about := t.s.Plan.Canary
	if c.Verb == Retry {
		about = t.file().Canary
	}
	if c.Revision != "" && c.Revision != about.Hash && c.Revision != about.Version {
		return "", fmt.Sprintf("This is about %s, but the candidate is %s: look again, then ask again", c.Revision, about)
	}
	if c.Step != nil && *c.Step != t.s.Step {
		return "", fmt.Sprintf("This is about step %d, but the rollout is at step %d: look again, then ask again", *c.Step+1, t.s.Step+1)
	}
	switch c.Verb {
	case Promote:
		if c.Full {
			return t.commandFull(c)
		}
		return t.commandPromote(c)
	case Abort:
		return t.commandAbort(c)
	case Hold:
		return t.commandHold(c)
	case Resume:
		return t.commandResume(c)
	case Retry:
		return t.commandRetry(c)
	}
	return "", fmt.Sprintf("%q is not known: use promote, abort, pause, resume or retry", c.Verb)
}

// commandPromote ends the current pause, whoever or whatever began it. It
// skips no evidence: at the deadline it gives the rollout another MaxDuration.
func (t *turn) commandPromote(c Command) (done, refused string) {
	switch {
	case t.s.Phase == Progressing && t.s.Asking:
		return "", "It waits for the answer of a hook or a check, which promote does not give. To go without it, promote --full"
	case t.s.Phase == Progressing:
		return "", fmt.Sprintf("Nothing waits for a person: step %d goes on when its evidence is in. To skip all evidence, promote --full", t.s.Step+1)
	case t.s.Phase != Paused:
		return "", t.noTraffic("promote")
	}
	held, late := t.s.HeldBy != "", t.s.Deadline
	t.countPeople()
	t.s.HeldBy = ""
	t.s.Approved = t.s.step().Pause != nil
	done = "Approved: it goes on as soon as the traffic and the evidence allow"
	switch {
	case late:
		t.extend()
		done = fmt.Sprintf("Its deadline is %s from now; the evidence still decides", t.s.Plan.MaxDuration)
	case held && !t.s.Approved:
		done = "The pause has ended; the evidence decides"
	}
	t.emitBy(c.by(), EventResumed, "%s approved going on from %s%s", c.by(), t.share(), c.because())
	return done, ""
}

// commandFull gives the candidate all traffic without waiting for evidence.
func (t *turn) commandFull(c Command) (done, refused string) {
	p := t.s.Plan
	switch {
	case t.s.Phase != Progressing && t.s.Phase != Paused:
		return "", t.noTraffic("promote")
	case p.reports():
		return "", fmt.Sprintf("This plan ends with a report and promotes nothing: to roll %s out, write another strategy and retry", p.Canary)
	case !t.ready(canary):
		return "", fmt.Sprintf("%s is not ready%s: it would get all traffic and could not answer", p.Canary, t.message(canary))
	}
	t.countPeople()
	t.emitBy(c.by(), EventCommand, "%s skips the remaining evidence at %s%s", c.by(), t.share(), c.because())
	t.s.StepBegan = noTime
	t.s.Step = t.s.Plan.promotionStep()
	t.beginPromotion()
	return fmt.Sprintf("%s gets all traffic now; abort takes it back until the router has confirmed", p.Canary), ""
}

// promotionStep returns the index of the step that sends all traffic.
func (p Plan) promotionStep() int {
	for i, s := range p.Steps {
		if s.full() {
			return i
		}
	}
	return len(p.Steps)
}

func (t *turn) commandAbort(c Command) (done, refused string) {
	p := t.s.Plan
	switch t.s.Phase {
	case Initializing, Progressing, Paused, Promoting:
		t.countPeople()
		t.retreat(fmt.Sprintf("aborted by %s%s", c.by(), c.because()), c.by())
		return fmt.Sprintf("All traffic goes to %s now", p.Stable), ""
	case RollingBack:
		return fmt.Sprintf("%s is already being taken back", p.Canary), ""
	case Completing, Completed:
		return "", fmt.Sprintf("%s has been compared, and its traffic goes back to %s by itself", p.Canary, p.Stable)
	case RolledBack:
		return "", fmt.Sprintf("%s has already been taken back", p.Canary)
	case Promoted:
		return "", fmt.Sprintf("%s is promoted and serves everything: to go back, roll out %s as a new candidate", p.Canary, p.Stable)
	}
	return "", "Nothing is being rolled out"
}

// commandHold keeps the current weight until resume or promote. A Fail still
// takes the candidate back.
func (t *turn) commandHold(c Command) (done, refused string) {
	switch {
	case t.s.Phase != Progressing && t.s.Phase != Paused:
		return "", t.noTraffic("pause")
	case t.s.Deadline:
		return "", "It is already held: its deadline has passed"
	case t.s.HeldBy != "":
		return "", fmt.Sprintf("It is already paused by %s", t.s.HeldBy)
	}
	t.s.HeldBy = c.by()
	t.enter(Paused, fmt.Sprintf("Paused by %s%s", c.by(), c.because()))
	t.countPeople()
	t.emitBy(c.by(), EventPaused, "%s paused it at %s%s", c.by(), t.share(), c.because())
	return fmt.Sprintf("Held at %s; a failure still takes it back", t.share()), ""
}

func (t *turn) commandResume(c Command) (done, refused string) {
	switch {
	case t.s.Phase == Progressing:
		return "", "It is not paused"
	case t.s.Phase != Paused:
		return "", t.noTraffic("resume")
	case t.s.Deadline:
		return "", fmt.Sprintf("Its deadline has passed: promote gives it another %s, abort takes it back", t.s.Plan.MaxDuration)
	case t.s.HeldBy == "":
		return "", "This pause is a step of the plan: promote ends it"
	}
	t.s.HeldBy, t.s.Reason = "", ""
	t.countPeople()
	t.emitBy(c.by(), EventResumed, "%s resumed it at %s%s", c.by(), t.share(), c.because())
	return "The pause has ended", ""
}

// commandRetry runs an ended revision again, as its next attempt, by the plan
// as it is in the file now.
func (t *turn) commandRetry(c Command) (done, refused string) {
	f := t.file()
	past, left := t.s.Retired[f.Canary.Hash]
	switch {
	case t.s.Phase == Completing:
		return "", fmt.Sprintf("%s still ends: retry when that is done", t.s.Plan.Canary)
	case t.s.Phase == RollingBack:
		return "", fmt.Sprintf("%s is still being taken back: retry when that is done", t.s.Plan.Canary)
	case t.s.Phase != Idle && !t.s.Phase.Terminal():
		return "", fmt.Sprintf("%s is being rolled out: nothing to retry", t.s.Plan.Canary)
	case t.s.Phase == Promoted && f.Canary.Hash == t.s.Plan.Canary.Hash:
		return "", fmt.Sprintf("%s is promoted: nothing to retry", f.Canary)
	case !f.candidate() || !left || !past.Phase.Terminal():
		return "", "No revision that ended is named as the candidate: nothing to retry"
	}
	t.begin(f, past.Attempt+1)
	t.emitBy(c.by(), EventRetry, "%s retries %s, attempt %d%s", c.by(), f.Canary, t.s.Attempt, c.because())
	return fmt.Sprintf("%s begins again, attempt %d", f.Canary, t.s.Attempt), ""
}

// noTraffic says why a verb that needs a climbing rollout makes no sense.
func (t *turn) noTraffic(verb string) string {
	c := t.s.Plan.Canary
	switch t.s.Phase {
	case Initializing:
		return fmt.Sprintf("Cannot %s: %s has no traffic yet. Wait until it is ready, or abort", verb, c)
	case Promoting:
		return fmt.Sprintf("Cannot %s: %s is getting all traffic. Abort takes it back", verb, c)
	case Promoted:
		return fmt.Sprintf("Cannot %s: %s is already promoted", verb, c)
	case Completing, Completed:
		return fmt.Sprintf("Cannot %s: %s was compared and has ended. Retry runs it again", verb, c)
	case RollingBack, RolledBack:
		return fmt.Sprintf("Cannot %s: %s was taken back. Retry runs it again", verb, c)
	}
	return fmt.Sprintf("Cannot %s: nothing is being rolled out", verb)
}

func (c Command) by() string { return orElse(c.By, "somebody") }

func (c Command) because() string {
	if c.Reason == "" {
		return ""
	}
	return ": " + c.Reason
}
