package gateway

import (
	"net/http"

	"github.com/haldane-dev/haldane/internal/traffic"
)

// Subject is whom to decide for where no request of theirs comes through: a
// model is asked elsewhere, and somebody wants to know which.
type Subject struct {
	Head    Head   // what matches and the sticky key look at
	Country string // ISO 3166-1 alpha-2, "" if it is not known
}

// Evaluation is what was decided for a Subject.
type Evaluation struct {
	d Decision
	s Subject
}

// Evaluate decides for s as it would for a request, by the same table, and notes
// the assignment for the traffic check. ok is false while there is no table.
func (g *Gateway) Evaluate(s Subject) (e Evaluation, ok bool) {
	r := Request{Head: s.Head, brought: countryCode(s.Country)}
	e = Evaluation{g.policy.Decide(&r), s}
	return e, e.d.Ready()
}

// Arm is the arm that was decided for.
func (e *Evaluation) Arm() traffic.Arm { return e.d.Arm }

// Forced reports whether a match decided, and not chance.
func (e *Evaluation) Forced() bool { return e.d.Forced }

// Version is the version of the arm.
func (e *Evaluation) Version() string { return e.d.Version() }

// Value is what a flag is worth on the arm, as JSON; "": the version's name.
func (e *Evaluation) Value() string { return e.d.upstream().value }

// Rollout is the rollout that the table is of.
func (e *Evaluation) Rollout() string { return e.d.route.table.Rollout }

// Revision is the revision that the table is of.
func (e *Evaluation) Revision() string { return e.d.route.table.Revision }

// Expose counts e as a prediction of its arm that is about to be made, and
// returns its prediction ID, "" without a Codec. What comes back for it quotes
// that ID. An evaluation that tells nobody anything new is not exposed.
func (g *Gateway) Expose(e *Evaluation) (predictionID string) {
	res := Result{Head: e.s.Head, Status: http.StatusOK}
	id := g.policy.Identify(&e.d, &res)
	g.policy.Observe(&e.d, &res)
	g.policy.tell(&e.d, &res, false)
	return id
}
