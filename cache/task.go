package cache

// work is one read of a node, or of the list of its children.
type work struct {
	path string
	list bool
}

// task is work that is to be done or under way. There is one at a time for each.
//
//	         start                 answer
//	queued --------> under way ---------------> done
//	   ^                 |  told of meanwhile
//	   +-----------------+
type task struct {
	work
	deep    bool // what is below is to be looked at again as well
	running bool // under way
	taken   bool // under way, but the answer has been dealt with, and the others of its batch have not
	again   bool // to be done once more, behind the run under way
	insist  bool // to be done once more if the node is not there
	firmly  bool // the run behind this one is to insist
	lister  bool // its children are to be listed when it is there
	// announced says that the node was not there before, and that there are notes of all that is below it.
	announced bool
	below     bool  // the run behind this one is deep
	alone     bool  // it is read by itself
	deleted   bool  // an event says that the node was deleted, and no later read says what is in its place
	check     bool  // it is only there because of that
	dead      int64 // czxid of the latest node at the path that is known to be gone
	debts     []debt
}

// debt is what a task owes to a round: so many runs.
type debt struct {
	round *round
	runs  int
}

// round is a set of tasks, together with those that follow from them, that was there at one moment. It ends although others
// may have come since.
type round struct {
	left  int
	done  func()
	first bool // it ends ahead of others that wait for the same task
}

// join makes the task part of a round.
func (r *round) join(t *task) {
	runs := 1
	if t.running && t.again {
		runs = 2
	}
	for i := range t.debts {
		if t.debts[i].round == r {
			t.debts[i].runs = max(t.debts[i].runs, runs)
			return
		}
	}
	t.debts = append(t.debts, debt{r, runs})
	if r.first {
		copy(t.debts[1:], t.debts)
		t.debts[0] = debt{r, runs}
	}
	r.left++
}

// leave takes one part away. The last one ends the round.
func (r *round) leave() {
	if r.left--; r.left == 0 {
		r.done()
	}
}

// join makes the task part of the rounds of the task that it follows from, if there is one.
func (t *task) join(from *task) {
	if from == nil {
		return
	}
	for _, d := range from.debts {
		d.round.join(t)
	}
}

// settle notes that a run has ended, and what follows from it has joined. After a run that missed its node, rounds wait for
// another run at least.
func (t *task) settle(missed bool) {
	var ended []*round
	kept := t.debts[:0]
	for _, d := range t.debts {
		if d.runs--; missed && d.runs == 0 {
			d.runs = 1
		}
		if d.runs > 0 {
			kept = append(kept, d)
		} else {
			ended = append(ended, d.round)
		}
	}
	clear(t.debts[len(kept):])
	t.debts = kept
	for _, r := range ended {
		r.leave()
	}
}

// key names the work in an index. No path ends with a slash but the root's.
func (w work) key() string {
	if w.list {
		return w.path + "/"
	}
	return w.path
}
