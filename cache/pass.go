package cache

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/docent-zk/docent/framework"
)

// pass is the cache at work for as long as no change can go unnoticed. It begins with a look at everything, or at what has changed
// since the pass before. Everything in it belongs to the goroutine that runs it; what reads the servers does so in goroutines of its
// own and hands in an answer.
type pass struct {
	*mirror
	s      *framework.Session
	source source
	ctx    context.Context

	seen     map[string]struct{} // what was read, until that is everything; nil from then on
	doubtful map[string]struct{} // what has changed in a way that is not known, until it is read
	// displaced is what another node has taken the place of, which has no place in the mirror yet.
	displaced map[string]struct{}
	asking    bool // what has changed; nothing is read until that is known
	checking  bool // a checkpoint is under way

	tasks   map[work]*task
	most    int      // tasks that there have been room for in the map
	front   *task    // to be started first
	queue   []*task  // to be started, oldest first
	checks  checks   // of deleted nodes
	after   []func() // to be called when what is known is shown
	running int      // tasks that are under way
	singles int      // requests that are under way for one task each, except for those among batches
	batches int      // requests that are under way for all tasks that had gathered
	ending  bool     // nothing is started any more, and the pass ends when nothing is under way
	answers chan answer
	spare   [][]answer // memory of answers to batches
	reads   sync.WaitGroup

	lookedFrom int64     // the newest transaction when a look at everything began; 0 if there was none
	first      bool      // in its session
	began      int64     // the newest transaction when it began: of what was created behind it all that is below is noted
	link       time.Time // when the connection began whose changes are being caught up
	catching   int       // rounds that must end for the cache to be fresh
	waiting    []caller  // for what is being done
	rereading  bool      // everything is being read again
	wary       bool      // nothing is known of a node before its data was compared
	retry      *time.Timer
	retryDue   time.Time         // when it fires; zero when it does not
	retrials   map[work]*retrial // of what was refused
	checkTimer *time.Timer
	rest       *time.Timer // between two requests that read what has changed
	resting    bool        // until it fires
}

// answer is what a goroutine that reads hands in.
type answer struct {
	task *task // nil for what is not a task
	deep bool
	node framework.Node
	// parts are the answers of a batch. A read that is apart is to be done once more, by itself.
	parts []answer
	batch bool
	sent  time.Time // when the request for a batch began
	apart bool
	// names and stat are of a list.
	names []string
	stat  framework.Stat
	err   error
	then  func() error // in place of all that
}

// session is the recipe: it keeps the mirror up to date in one session.
func (m *mirror) session(ctx context.Context, s *framework.Session) error {
	m.newSession = true
	m.runs.Store(s)
	m.board.show(func(v *view) *view { m.report(v); return v })
	if s.ReadOnly() && m.view().synced { // what there is may be newer than what the server has
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

// prepare decides what is still worth something in a new session.
func (m *mirror) prepare(ctx context.Context, s *framework.Session) error {
	if m.minority {
		m.readAnew()
	}
	m.minority = s.ReadOnly()
	if m.minority {
		return nil
	}
	// The server must not be behind the one of the session before.
	if err := syncSurely(ctx, s, m.spec.root); err != nil {
		return err
	}
	m.compare(s.LastZxid())
	return nil
}

// errUnknown ends a pass because anything may have happened to anybody.
var errUnknown = errors.New("changes may have gone unnoticed")

// follow keeps the mirror up to date with one source, until that or the session ends.
func (m *mirror) follow(ctx context.Context, s *framework.Session, from source) error {
	defer from.close()
	for {
		if err := m.pass(ctx, s, from); !errors.Is(err, errUnknown) {
			return err
		}
	}
}

// pass looks at everything and then at what changes.
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

// stop waits for everything that belongs to the pass, and leaves what it had begun to the next one. What was not shown yet is read
// again.
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

// compare forgets everything if the servers' newest transaction is older than one that was seen before: their data was
// replaced by older data, and zxids say nothing of what is newer any more.
func (m *mirror) compare(newest int64) {
	if newest < m.newest {
		m.beginAnew()
	}
	m.newest = newest
}

// beginAnew is readAnew when zxids of before mean nothing any more.
func (m *mirror) beginAnew() {
	m.readAnew()
	m.otherData = true
}

// readAnew forgets the tree, and nothing of what is shown, which stays until the new tree is complete. A read-only server may have
// shown transactions that a later leader has thrown away, so what it has shown cannot be brought up to date by what has changed since.
func (m *mirror) readAnew() {
	m.complete, m.comparedTo, m.tree, m.public, m.anew = 0, 0, nil, nil, true
	m.board.show(func(old *view) *view {
		v := *old
		v.refused = index[*refusal]{}
		return &v
	})
}

// step waits for one thing to happen and answers it.
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
		return p.heed()
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

// start sends as many reads as may be under way.
func (p *pass) start() {
	if !p.asking && !p.ending {
		p.startReads()
	}
}

// shift takes the first task of a queue.
func shift(queue *[]*task) *task {
	t := (*queue)[0]
	(*queue)[0] = nil
	*queue = (*queue)[1:]
	return t
}

// send begins a read by itself, in place of a batch if batch is set.
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

// known is what is known of the node of a task that only looks whether it has changed; nil if it is to be read in any case.
func (p *pass) known(t *task) *entry {
	if t.deep && !t.work.list && !p.rereading && !p.wary {
		return p.find(t.path)
	}
	return nil
}

// read runs f in a goroutine of its own and hands in its answer.
func (p *pass) read(f func() answer) {
	p.reads.Go(func() {
		a := f()
		select {
		case p.answers <- a:
		case <-p.ctx.Done():
		}
	})
}

// fetch reads a node. The data of one that has not changed is not transferred again. If it is looked at and cannot be read, the
// node that comes with the error has a Stat.
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

// take deals with an answer.
func (p *pass) take(a answer) error {
	if a.then != nil {
		return a.then()
	}
	if p.over(a.err) {
		return a.err
	}
	settled := p.source.settled()
	if err := p.heed(); err != nil { // what happened before the answer was given
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

// takeAll deals with the answers to reads that come together. They are shown together, and only then the reads are done: a round
// ends when what it has read is shown.
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

// shrink gives the memory back that a load has left: maps do not by themselves.
func (p *pass) shrink() {
	if len(p.tasks) == 0 && p.most > maxBatch {
		p.tasks, p.queue, p.most = make(map[work]*task), nil, 0
	}
}

// takeOne brings the answer to one read into the mirror.
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

// finish ends the run of a task. A run that did not find a node that is in a list does not count: it may have been too early.
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

// enqueue lines a task up.
func (p *pass) enqueue(t *task) {
	t.check = false // a check is dropped before it is in a queue, or done
	p.queue = append(p.queue, t)
}

// over reports whether an error is the session's and not the node's.
func (p *pass) over(err error) bool {
	return err != nil && p.ctx.Err() != nil || errors.Is(err, framework.ErrSessionLost) || errors.Is(err, framework.ErrClosed)
}

// mark sees to it that a read begins after now. It belongs to the rounds of the task that it follows from.
func (p *pass) mark(w work, deep bool, from *task) *task {
	t := p.task(w)
	if t.running {
		t.again = true // before the rounds join: they wait for that run
		t.below = t.below || deep
	} else {
		t.deep = t.deep || deep
	}
	t.join(from)
	return t
}

// demand sees to it that a read is under way or about to be. It belongs to the rounds of the task that it follows from.
func (p *pass) demand(w work, from *task) *task {
	t := p.task(w)
	t.again = t.again || t.taken // before the rounds join
	t.join(from)
	return t
}

// insist is demand for a node that must be there.
func (p *pass) insist(w work, from *task) {
	t := p.demand(w, from)
	t.insist, t.firmly = t.insist || !t.taken, t.firmly || t.taken
}

// task returns the task for a read, which is queued if there was none.
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
