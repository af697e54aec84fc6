package discovery

import (
	"iter"
	"reflect"
	"slices"
)

// Candidate is an instance as a [Strategy] sees it.
type Candidate struct {
	key    string
	weight float64
	zone   string
	state  *condition
	uses   uses // the counter of the state, copied here for fast access
}

// Key returns the name of the instance's node, which is unique within the service.
func (c *Candidate) Key() string { return c.key }

// Weight returns the result of [WithWeight] for the instance; 0 if that is not a number above 0.
func (c *Candidate) Weight() float64 { return c.weight }

// Zone returns the result of [WithZone] for the instance.
func (c *Candidate) Zone() string { return c.zone }

// Load returns the number of uses of the instance that this Service has picked and that have not ended: see
// [Endpoint.Done]. Uses that begin or end during the call may or may not count.
func (c *Candidate) Load() int64 { return max(0, c.uses.sum()) }

// Candidates are the instances that a [Strategy] chooses from, at least one, ordered by key. They are immutable and
// safe for concurrent use. The cost of creating them does not depend on their number.
type Candidates struct {
	list candidateList
	plan *plan
}

// candidateList is a list of candidates.
type candidateList interface {
	count() int
	candidate(i int) *Candidate
	candidates() iter.Seq[*Candidate]
}

// plan is what a Strategy of this package states about the function that it returns.
type plan struct {
	code uintptr // of that function; a user's Strategy may return another one
	picking
}

// picking says how to pick without a guard. The zero value means that a guard is needed.
type picking struct {
	safe  bool   // the function does not panic and returns a valid index
	turns *turns // the function returns the next of these, modulo the number of candidates; nil otherwise
}

func newCandidates(list candidateList) Candidates { return Candidates{list, &plan{}} }

// safe returns pick, and records that it needs no guard.
func (c Candidates) safe(pick func() int) func() int { return c.turning(nil, pick) }

// turning returns pick, and records that it picks the candidates in turn.
func (c Candidates) turning(t *turns, pick func() int) func() int {
	*c.plan = plan{codeOf(pick), picking{safe: true, turns: t}}
	return pick
}

// planOf returns how to pick when a Strategy has returned pick.
func (c Candidates) planOf(pick func() int) picking {
	if c.plan.code != codeOf(pick) {
		return picking{}
	}
	return c.plan.picking
}

func codeOf(pick func() int) uintptr { return reflect.ValueOf(pick).Pointer() }

// CandidatesOf returns Candidates for a list, which must not be changed afterwards. A Strategy uses it to let another
// Strategy choose from some of its candidates.
func CandidatesOf(list []*Candidate) Candidates { return newCandidates(candidateSlice(list)) }

// candidateSlice is a list of candidates in a slice.
type candidateSlice []*Candidate

func (s candidateSlice) count() int { return len(s) }

func (s candidateSlice) candidate(i int) *Candidate { return s[i] }

func (s candidateSlice) candidates() iter.Seq[*Candidate] { return slices.Values(s) }

// Len returns the number of candidates.
func (c Candidates) Len() int { return c.list.count() }

// At returns the candidate with index i, from 0 to Len()-1.
func (c Candidates) At(i int) *Candidate { return c.list.candidate(i) }

// All iterates over the candidates and their indexes.
func (c Candidates) All() iter.Seq2[int, *Candidate] {
	return func(yield func(int, *Candidate) bool) {
		i := 0
		for candidate := range c.list.candidates() {
			if !yield(i, candidate) {
				return
			}
			i++
		}
	}
}
