package analysis

// State is the evidence of one attempt at one revision. Its zero value is no
// evidence at all. It is plain data of constant size; JSON keeps it bit for
// bit. Step(Config, State, Sample) (State, Verdict) advances it by one block
// and never modifies its inputs.
type State struct {
	Version   int   `json:"version"`   // format
	LastBlock int64 `json:"lastBlock"` // the newest block taken in
}
