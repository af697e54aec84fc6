package discovery

import (
	"iter"
	"reflect"
	"slices"
)

// Candidate is what a [Strategy] may know of an instance.
type Candidate struct {
	key    string
	weight float64
	zone   string
	state  *condition
	uses   uses // the state's, one step nearer to those who pick
}

// Key is the name of the instance's node, which no other instance of the service has.
func (c *Candidate) Key() string { return c.key }

// Weight is what [WithWeight] says of the instance, 0 for anything that is not a number above 0.
func (c *Candidate) Weight() float64 { return c.weight }

// Zone is what [WithZone] says of the instance.
func (c *Candidate) Zone() string { return c.zone }

// Load is the number of uses of the instance that this Service has picked and that are not over; see [Endpoint.Done]. Uses that
// begin or end during the call may count or not.
func (c *Candidate) Load() int64 { return max(0, c.uses.sum()) }

// Candidates are the instances that a [Strategy] chooses among, at least one, in the order of their keys. They do not change, and
// can be read by many goroutines. Making them costs nothing that grows with their number.
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

// plan is what a Strategy of this package says of the function that it returns.
type plan struct {
	code uintptr // of the function; a Strategy of the user's may return another one
	picking
}

// picking says how to pick without a guard. The zero value says that a guard is needed.
type picking struct {
	safe  bool   // the function does not panic and returns the index of a candidate
	turns *turns // the function returns the next of these, modulo the number of candidates; nil if it does not
}

func newCandidates(list candidateList) Candidates { return Candidates{list, &plan{}} }

// safe says that pick needs no guard, and returns it.
func (c Candidates) safe(pick func() int) func() int { return c.turning(nil, pick) }

// turning says that pick gives turns to one candidate after the other, and returns it.
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

// CandidatesOf makes Candidates of a list that is not changed afterwards: for a Strategy that has another one choose among some of the
// candidates.
func CandidatesOf(list []*Candidate) Candidates { return newCandidates(candidateSlice(list)) }

// candidateSlice is a list of candidates in a slice.
type candidateSlice []*Candidate

func (s candidateSlice) count() int { return len(s) }

func (s candidateSlice) candidate(i int) *Candidate { return s[i] }

func (s candidateSlice) candidates() iter.Seq[*Candidate] { return slices.Values(s) }

// Len is the number of candidates.
func (c Candidates) Len() int { return c.list.count() }

// At returns the candidate with an index from 0 to below Len.
func (c Candidates) At(i int) *Candidate { return c.list.candidate(i) }

// All gives the candidates with their indexes.
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
