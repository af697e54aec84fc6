package cache

// work is one read of a node, or of the list of its children.
type work struct {
	path string
	list bool
}

// task is work that is queued or running. There is at most one for each work.
//
//	         start                 answer
//	queued --------> running  ---------------> done
//	   ^                 |  noted meanwhile
//	   +-----------------+
type task struct {
	work
	deep    bool // also check everything below
	running bool // under way
	taken   bool // running, and its answer was handled, but not all others of its batch
	again   bool // run once more after this run
	insist  bool // run once more if the node does not exist
	firmly  bool // the next run insists
	lister  bool // list the children if the node exists
	// announced means that the node did not exist before, and that there are notes for everything below it.
	announced bool
	below     bool  // the next run is deep
	alone     bool  // read by itself
	deleted   bool  // an event says that the node was deleted, and no later read shows what replaced it
	check     bool  // it exists only because of deleted
	dead      int64 // czxid of the latest node at the path that is known to be gone
	debts     []debt
}

// debt is the number of runs that a task owes to a round.
type debt struct {
	round *round
	runs  int
}

// round is the set of tasks at one moment, with those that follow from them. It ends even if others have been added
// since.
type round struct {
	left  int
	done  func()
	first bool // ends before others that wait for the same task
}

// join adds the task to a round.
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

// leave removes one task. The last one ends the round.
func (r *round) leave() {
	if r.left--; r.left == 0 {
		r.done()
	}
}

// join adds the task to the rounds of the task from which it follows, if there is one.
func (t *task) join(from *task) {
	if from == nil {
		return
	}
	for _, d := range from.debts {
		d.round.join(t)
	}
}

// settle records that a run has ended and that its follow-up tasks have joined. After a run that missed its node,
// rounds wait for at least one more run.
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

// key names the work in an index. Only the root's path ends with a slash.
func (w work) key() string {
	if w.list {
		return w.path + "/"
	}
	return w.path
}
