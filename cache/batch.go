package cache

import (
	"errors"
	"time"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/recipekit"
)

// Many nodes and lists are read in one request where the servers can do that (multiRead). At most maxBatches such requests are under
// way. Further reads gather meanwhile for the next one, so a batch is as long as it has to be: a node that changes alone is read at
// once, and by itself.
//
// A node goes alone if it is large, or if its read is refused. Nodes that a batch could not read, for
// whatever reason, are read again by themselves. So one node cannot harm those that it was read with.
const (
	maxBatches = 4
	maxBatch   = 256 // reads in a batch

	// Behind a request the next one that is not urgent waits restShare times as long as that has taken, but no longer than maxRest. In a
	// stream of changes reading takes no more than that share of the time from the server, and from those who write.
	restShare = 8
	maxRest   = 5 * time.Millisecond

	// batchReply is how long the answers to a batch may be together, as far as that is known.
	batchReply = 64 << 10
	// maxBlind is how many nodes are in a batch that have no sibling in the mirror to tell how large they may be. In all batches under way
	// these may be as long as 1 MiB each, the longest there are by default, without harm to the servers.
	maxBlind = 31
	// firstGuess is how large a node is taken to be until others have been read.
	firstGuess = 4 << 10
	// smallData is how much data of a node that has not changed is transferred again, because that costs less than to ask for its Stat.
	smallData = 256
	// readReply is what the answer to a read has around the data. usualName is the name of a child.
	readReply = 100
	usualName = 64
	// readRequest is what a read has around its path: see recipekit.MultiReadSize.
	readRequest = 64
)

// batch is what is to be read in one request.
type batch struct {
	tasks []*task
	paths int // room for these
	reply int // room for answers
	blind int // room for nodes whose size is not known
}

// newBatch returns an empty batch, which has no room for paths if the servers do not know the request.
func (p *pass) newBatch() *batch {
	return &batch{paths: p.source.size(), reply: p.replyRoom(), blind: maxBlind}
}

// replyRoom is how long the answers to a batch may be together.
func (p *pass) replyRoom() int { return min(batchReply, p.cli.MaxReplySize()/4) }

// add adds a read, and reports whether there was room for it.
func (b *batch) add(t *task, e estimate) bool {
	b.paths -= len(t.path) + readRequest
	b.reply -= e.size
	if e.blind {
		b.blind--
	}
	if len(b.tasks) == maxBatch || b.paths < 0 || b.reply < 0 || b.blind < 0 {
		return false
	}
	b.tasks = append(b.tasks, t)
	return true
}

// estimate is how long the answer to a read will be.
type estimate struct {
	size  int
	blind bool // because neither the node nor a sibling has been read before
}

// fits reports whether a read can be in a batch.
func (p *pass) fits(t *task) (e estimate, ok bool) {
	if t.alone || p.spec.statsOnly || p.refusal(t.work) != nil {
		return e, false
	}
	known := p.find(t.path)
	e.size, e.blind = p.guess, known == nil && p.strange(t.path)
	if known != nil {
		e.size = int(known.node.Stat.DataLength)
	}
	switch {
	case t.list && known == nil, e.size > smallData && (t.list || p.known(t) != nil):
		return e, false // it would be transferred for the Stat that comes with it
	case t.list:
		e.size += int(known.node.Stat.NumChildren) * usualName
	}
	e.size += readReply
	return e, e.size <= p.replyRoom()/4
}

// learn takes the size of a node that has not been read before into account for others.
func (p *pass) learn(size int) { p.guess = max(size, p.guess-(p.guess-size)/8) }

// learnBatch takes into account that the answer to a batch of n was too long.
func (p *pass) learnBatch(n int) { p.guess = max(p.guess, p.cli.MaxReplySize()/n) }

// strange reports whether no sibling of a node is in the mirror.
func (p *pass) strange(path string) bool {
	if path == p.spec.root {
		return true
	}
	parent := p.find(p.spec.parent(path))
	return parent == nil || parent.kids.count() == 0
}

// urgent reports whether what is to be read is much, or is waited for.
func (p *pass) urgent() bool {
	return p.catching > 0 || p.rereading || len(p.waiting) > 0 || len(p.queue) >= maxBatch
}

// atOnce is how many batches may be under way.
func (p *pass) atOnce() int {
	if p.urgent() {
		return maxBatches
	}
	return 1
}

// repose begins the rest behind a request that has taken so long. Nothing is read in it unless that is urgent.
func (p *pass) repose(took time.Duration) {
	if d := min(restShare*took, maxRest); d > 0 {
		p.rest.Reset(d)
		p.resting = true
	}
}

// startReads sends as many reads as may be under way.
func (p *pass) startReads() {
	b := &batch{}
	defer func() { p.sendBatch(b) }()
	bulk := p.source.size() > 0
	for t := p.next(); t != nil; t = p.next() {
		e, fits := estimate{}, false
		if bulk {
			e, fits = p.fits(t)
		}
		switch full := p.singles+p.batches >= p.spec.parallel; {
		case fits && len(b.tasks) > 0 && b.add(t, e):
		case full || fits && p.batches >= p.atOnce():
			t.check = false
			p.front = t
			return
		case !fits:
			p.send(t, false)
		default:
			p.sendBatch(b)
			b = p.newBatch()
			if b.add(t, e) {
				p.batches++
				continue
			}
			p.send(t, false)
		}
	}
}

// sendBatch begins a batch. A read that nothing else has gathered with goes by itself.
func (p *pass) sendBatch(b *batch) {
	switch len(b.tasks) {
	case 0:
		return
	case 1:
		p.send(b.tasks[0], true)
		return
	}
	reads, answers, known := make([]recipekit.Read, len(b.tasks)), p.room(len(b.tasks)), make([]*entry, len(b.tasks))
	for i, t := range b.tasks {
		t.running = true
		reads[i] = recipekit.Read{Path: t.path, List: t.list}
		answers[i], known[i] = answer{task: t, deep: t.deep}, p.known(t)
	}
	p.running += len(b.tasks)
	sent := time.Now()
	p.read(func() answer {
		got, err := p.source.read(p.ctx, reads)
		for i := range answers {
			if err != nil {
				answers[i].apart = true
			} else {
				answers[i].fill(p.spec, got[i], known[i])
			}
		}
		return answer{parts: answers, batch: true, sent: sent, err: err}
	})
}

// room returns n empty answers, in memory of former ones if there is some.
func (p *pass) room(n int) []answer {
	if last := len(p.spare) - 1; last >= 0 && cap(p.spare[last]) >= n {
		answers := p.spare[last][:n]
		p.spare = p.spare[:last]
		return answers
	}
	return make([]answer, n)
}

// reuse keeps the memory of answers that have been dealt with while others are awaited.
func (p *pass) reuse(answers []answer) {
	clear(answers)
	if p.spare = append(p.spare, answers); p.running == 0 {
		p.spare = nil
	}
}

// fill takes over what a batch has brought. The data of a node that is known is not decoded again if it has not changed.
func (a *answer) fill(s spec, got recipekit.ReadAnswer, known *entry) {
	stat := got.Node.Stat
	switch {
	case errors.Is(got.Err, framework.ErrNoNode):
		a.err = framework.ErrNoNode
	case got.Err != nil:
		a.apart = true
	case a.task.list:
		a.names, a.stat = got.Names, stat
	case known != nil && stat.Czxid == known.node.Stat.Czxid && stat.Mzxid == known.node.Stat.Mzxid:
		a.node = framework.Node{Path: got.Node.Path, Data: known.node.Data, Stat: stat}
	default:
		a.node, a.err = s.decoded(got.Node, nil)
	}
}

// apart has a read done once more, by itself.
func (p *pass) apart(t *task) {
	t.alone, t.running = true, false
	p.enqueue(t)
}
