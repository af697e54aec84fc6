package cache

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/docent-zk/docent/framework"
)

// pass is a period in which no change can be missed. It begins with a read of everything, or of what has changed since
// the last pass. Its fields belong to the goroutine that runs it. Reads run in their own goroutines, which send their
// answers to it.
type pass struct {
	*mirror
	s      *framework.Session
	source source
	ctx    context.Context

	seen     map[string]struct{} // what was read so far, until everything was; nil afterwards
	doubtful map[string]struct{} // what has changed in an unknown way, until it is read
	// displaced is what was replaced by another node that has no place in the mirror yet.
	displaced map[string]struct{}
	asking    bool // a request for what has changed is pending; nothing is read until its reply
	checking  bool // a checkpoint is running

	tasks   map[work]*task
	most    int      // largest number of tasks so far, for which the map has room
	front   *task    // started first
	queue   []*task  // tasks to start, oldest first
	checks  checks   // of deleted nodes
	after   []func() // called when what is known is shown
	running int      // running tasks
	singles int      // pending requests for one task each, apart from batches
	batches int      // pending batches
	ending  bool     // no task is started any more; the pass ends when none is running
	answers chan answer
	spare   [][]answer // memory for answers of batches
	reads   sync.WaitGroup

	lookedFrom int64     // the newest transaction when a read of everything began; 0 if there was none
	first      bool      // the first pass of its session
	began      int64     // the newest transaction at its start; everything below a node created later is noted
	link       time.Time // when the connection began that is being caught up with
	catching   int       // rounds that must end before the cache is fresh
	waiting    []caller  // calls whose tasks are running
	rereading  bool      // everything is being read again
	wary       bool      // nodes have to be compared with their data first
	retry      *time.Timer
	retryDue   time.Time         // when the timer fires; zero if it is not running
	retrials   map[work]*retrial // of refused reads
	checkTimer *time.Timer
	rest       *time.Timer // between two requests that read changes
	resting    bool        // until rest fires
}

// answer is the result of a goroutine that reads.
type answer struct {
	task *task // nil for an answer without a task
	deep bool
	node framework.Node
	// parts are the answers of a batch. A read that is apart has to be repeated by itself.
	parts []answer
	batch bool
	sent  time.Time // when the request for a batch was sent
	apart bool
	// names and stat are the result of a list.
	names []string
	stat  framework.Stat
	err   error
	then  func() error // called instead of all that
}

// session is the recipe: it keeps the mirror up to date in one session.
func (m *mirror) session(ctx context.Context, s *framework.Session) error {
	m.newSession = true
	m.runs.Store(s)
	m.board.show(func(v *view) *view { m.report(v); return v })
	if s.ReadOnly() && m.view().synced { // the contents may be newer than the server's
		<-ctx.Done()
		return context.Cause(ctx)
	}
	if err := m.prepare(ctx, s); err != nil {
		return err
	}
	if m.spec.depth > 0 && !m.spec.oneShot {
		source, err := newRecursive(ctx, s, m.spec.root)
		if err == nil {
			err = m.follow(ctx, s, source)
		}
		if ctx.Err() != nil || errors.Is(err, framework.ErrSessionLost) || errors.Is(err, framework.ErrClosed) {
			return err
		}
	}
	return m.follow(ctx, s, newOneShot(s, m.spec.root))
}

// prepare decides which contents are still valid in a new session.
func (m *mirror) prepare(ctx context.Context, s *framework.Session) error {
	if m.minority {
		m.readAnew()
	}
	m.minority = s.ReadOnly()
	if m.minority {
		return nil
	}
	// The server must not be behind that of the last session.
	if err := syncSurely(ctx, s, m.spec.root); err != nil {
		return err
	}
	m.compare(s.LastZxid())
	return nil
}

// errUnknown ends a pass because any node may have changed.
var errUnknown = errors.New("changes may have been missed")

// follow keeps the mirror up to date with one source, until the source or the session ends.
func (m *mirror) follow(ctx context.Context, s *framework.Session, from source) error {
	defer from.close()
	for {
		if err := m.pass(ctx, s, from); !errors.Is(err, errUnknown) {
			return err
		}
	}
}

// pass reads everything and then follows the changes.
func (m *mirror) pass(ctx context.Context, s *framework.Session, from source) error {
	ctx, cancel := context.WithCancel(ctx)
	p := &pass{
		mirror: m, s: s, source: from, ctx: ctx, tasks: make(map[work]*task), displaced: make(map[string]struct{}), checks: newChecks(), answers: make(chan answer, m.spec.parallel),
		began: s.LastZxid(), link: m.cli.State().Time, first: m.newSession, retry: time.NewTimer(never),
		retrials: make(map[work]*retrial), checkTimer: time.NewTimer(never),
		rest: time.NewTimer(never),
	}
	defer p.stop(cancel)
	m.newSession = false
	p.progress.Begin()
	p.planCheck()
	p.lookAgain()
	for ctx.Err() == nil {
		if err := p.step(); err != nil {
			return err
		}
	}
	return context.Cause(ctx)
}

// stop waits for everything that belongs to the pass, and leaves unfinished reads to the next pass. What was not shown
// yet is read again.
func (p *pass) stop(cancel context.CancelFunc) {
	cancel()
	p.reads.Wait()
	p.retry.Stop()
	p.checkTimer.Stop()
	p.rest.Stop()
	if p.anew {
		p.tree = nil
	} else {
		p.tree = p.public
	}
	p.public = p.tree
	clear(p.held)
	for w := range p.tasks {
		p.suspect(w)
	}
	p.putBack(p.waiting)
	p.newest = max(p.newest, p.s.LastZxid())
}

// compare drops everything if the servers' newest transaction is older than one that was seen before: their data was
// restored from a backup, and zxids no longer show what is newer.
func (m *mirror) compare(newest int64) {
	if newest < m.newest {
		m.beginAnew()
	}
	m.newest = newest
}

// beginAnew is readAnew when earlier zxids have no meaning any more.
func (m *mirror) beginAnew() {
	m.readAnew()
	m.otherData = true
}

// readAnew drops the tree, but keeps showing it until the new tree is complete. A read-only server may have shown
// transactions that a later leader has dropped, so its contents cannot be updated with what has changed since.
func (m *mirror) readAnew() {
	m.complete, m.comparedTo, m.tree, m.public, m.anew = 0, 0, nil, nil, true
	m.board.show(func(old *view) *view {
		v := *old
		v.refused = index[*refusal]{}
		return &v
	})
}

// step waits for one event and handles it.
func (p *pass) step() error {
	if p.ending && p.running == 0 {
		return errUnknown
	}
	ready := p.source.ready()
	if p.resting && !p.urgent() {
		ready = nil
	} else {
		p.start()
	}
	select {
	case a := <-p.answers:
		return p.take(a)
	case <-ready:
		return p.processNotes()
	case <-p.rest.C:
		p.resting = false
	case <-p.poke:
		p.resume()
		return p.settleAll()
	case <-p.retry.C:
		p.retryRefused()
	case <-p.checkTimer.C:
		p.compareAll()
	case <-p.ctx.Done():
	}
	return nil
}

// start sends as many reads as may be pending.
func (p *pass) start() {
	if !p.asking && !p.ending {
		p.startReads()
	}
}

// shift removes the first task of a queue.
func shift(queue *[]*task) *task {
	t := (*queue)[0]
	(*queue)[0] = nil
	*queue = (*queue)[1:]
	return t
}

// send starts a read by itself, counted as a batch if batch is set.
func (p *pass) send(t *task, batch bool) {
	t.running = true
	p.running++
	if !batch {
		p.singles++
	}
	a, have := answer{task: t, deep: t.deep, batch: batch, sent: time.Now()}, p.known(t)
	barred := p.barred(t.work)
	p.read(func() answer {
		switch {
		case barred != nil:
			a.err = barred
		case t.work.list:
			a.names, a.stat, a.err = p.source.list(p.ctx, t.path)
		default:
			a.node, a.err = p.fetch(t.path, have)
		}
		return a
	})
}

// known returns what is known about the node of a task that only checks whether it has changed; nil if it is to be read
// in any case.
func (p *pass) known(t *task) *entry {
	if t.deep && !t.work.list && !p.rereading && !p.wary {
		return p.find(t.path)
	}
	return nil
}

// read runs f in a goroutine of its own and delivers its answer.
func (p *pass) read(f func() answer) {
	p.reads.Go(func() {
		a := f()
		select {
		case p.answers <- a:
		case <-p.ctx.Done():
		}
	})
}

// fetch reads a node. It does not transfer the data again if it has not changed. If the node cannot be read but its
// Stat can, the node is returned with the error.
func (p *pass) fetch(path string, have *entry) (framework.Node, error) {
	if have == nil && !p.spec.statsOnly {
		return p.get(path)
	}
	stat, ok, err := p.source.look(p.ctx, path)
	switch {
	case err != nil:
		return framework.Node{}, err
	case !ok:
		return framework.Node{}, framework.ErrNoNode
	case p.spec.statsOnly:
		return framework.Node{Path: path, Stat: stat}, nil
	case stat.Czxid == have.node.Stat.Czxid && stat.Mzxid == have.node.Stat.Mzxid:
		return framework.Node{Path: path, Data: have.node.Data, Stat: stat}, nil
	}
	node, err := p.get(path)
	if err != nil {
		node.Stat = stat
	}
	return node, err
}

// get reads a node with its data.
func (p *pass) get(path string) (framework.Node, error) {
	node, err := p.source.get(p.ctx, path)
	return p.spec.decoded(node, err)
}

// take handles an answer.
func (p *pass) take(a answer) error {
	if a.then != nil {
		return a.then()
	}
	if p.over(a.err) {
		return a.err
	}
	settled := p.source.settled()
	if err := p.processNotes(); err != nil { // what happened before the answer
		return err
	}
	if a.batch {
		p.batches--
		p.repose(time.Since(a.sent))
	} else {
		p.singles--
	}
	if a.parts == nil {
		p.takeAll([]answer{a})
	} else {
		if tooLong(a.err) {
			p.learnBatch(len(a.parts))
		}
		p.takeAll(a.parts)
		p.reuse(a.parts)
	}
	if !p.ending {
		p.checkpoint(settled)
	}
	return nil
}

// takeAll handles the answers of a batch. They are shown together, before the reads count as done: a round ends when
// its results are shown.
func (p *pass) takeAll(answers []answer) {
	for i := range answers {
		a := &answers[i]
		a.apart = a.apart || tooLong(a.err) && !a.task.alone
		p.running--
		p.takeOne(*a)
		a.task.taken = !a.apart
	}
	if p.ending {
		return
	}
	p.publish(func(*view) {})
	for _, a := range answers {
		if !a.apart {
			p.finish(a.task, errors.Is(a.err, framework.ErrNoNode))
			p.flush()
		}
	}
	p.shrink()
}

// shrink frees memory after a load, since maps do not shrink.
func (p *pass) shrink() {
	if len(p.tasks) == 0 && p.most > maxBatch {
		p.tasks, p.queue, p.most = make(map[work]*task), nil, 0
	}
}

// takeOne applies the answer of one read to the mirror.
func (p *pass) takeOne(a answer) {
	t := a.task
	switch {
	case a.apart:
		p.apart(t)
	case p.ending:
		if a.err != nil && !errors.Is(a.err, framework.ErrNoNode) {
			p.refuse(t.work, a.err)
		}
	case t.work.list:
		p.takeList(a)
	default:
		p.takeNode(a)
	}
}

// finish ends the run of a task. A run that did not find a node that is in a list does not count: it may have been too
// early.
func (p *pass) finish(t *task, gone bool) {
	missed := gone && t.insist
	again := t.again || missed
	t.deep, t.insist, t.below, t.firmly = t.below || missed && t.deep, t.firmly, false, false
	t.running, t.taken, t.again, t.announced = false, false, false, false
	t.deleted, t.alone = t.deleted && again, false
	t.settle(missed)
	if again {
		p.enqueue(t)
	} else {
		delete(p.tasks, t.work)
		p.unpark(t.work)
	}
}

// enqueue queues a task.
func (p *pass) enqueue(t *task) {
	t.check = false // a check is dropped before it is queued or done
	p.queue = append(p.queue, t)
}

// over reports whether an error concerns the session and not the node.
func (p *pass) over(err error) bool {
	return err != nil && p.ctx.Err() != nil || errors.Is(err, framework.ErrSessionLost) || errors.Is(err, framework.ErrClosed)
}

// mark makes sure that a read begins after now. It belongs to the rounds of the task from which it follows.
func (p *pass) mark(w work, deep bool, from *task) *task {
	t := p.task(w)
	if t.running {
		t.again = true // before join, because the rounds wait for that run
		t.below = t.below || deep
	} else {
		t.deep = t.deep || deep
	}
	t.join(from)
	return t
}

// demand makes sure that a read is pending or queued. It belongs to the rounds of the task from which it follows.
func (p *pass) demand(w work, from *task) *task {
	t := p.task(w)
	t.again = t.again || t.taken // before join
	t.join(from)
	return t
}

// insist is demand for a node that must exist.
func (p *pass) insist(w work, from *task) {
	t := p.demand(w, from)
	t.insist, t.firmly = t.insist || !t.taken, t.firmly || t.taken
}

// task returns the task for a read. If there is none, it is created and queued.
func (p *pass) task(w work) *task {
	t := p.tasks[w]
	if t == nil {
		t = &task{work: w}
		p.tasks[w] = t
		p.most = max(p.most, len(p.tasks))
		p.enqueue(t)
	}
	t.check = false
	return t
}
