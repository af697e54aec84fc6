package cache

import (
	"errors"
	"time"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/recipekit"
)

// Many nodes and lists are read in one request if the servers support that (multiRead). At most maxBatches such
// requests are pending. Further reads are collected for the next one, so a batch is no longer than necessary: a single
// changed node is read at once, by itself.
//
// A node is read by itself if it is large or its read is refused. Nodes that a batch could not read are read again by
// themselves. So one node does not affect the others in its batch.
const (
	maxBatches = 4
	maxBatch   = 256 // reads in a batch

	// After a request, the next one that is not urgent waits restShare times as long as the request took, up to
	// maxRest. So in a stream of changes, reads take only that share of the server's time.
	restShare = 8
	maxRest   = 5 * time.Millisecond

	// batchReply bounds the expected size of a batch's reply, in bytes.
	batchReply = 64 << 10
	// maxBlind is the maximum number of nodes in a batch of unknown size, which have no sibling in the mirror. Even if
	// each has 1 MiB, the default maximum, all pending batches together do not harm the servers.
	maxBlind = 31
	// firstGuess is the assumed size of a node until others have been read.
	firstGuess = 4 << 10
	// smallData is the data size up to which reading the data again costs less than asking for the Stat first.
	smallData = 256
	// readReply is the size of a read's reply without the data. usualName is the assumed size of a child's name.
	readReply = 100
	usualName = 64
	// readRequest is the size of a read's request without the path: see recipekit.MultiReadSize.
	readRequest = 64
)

// batch is the reads of one request.
type batch struct {
	tasks []*task
	paths int // room for paths, in bytes
	reply int // room for the reply, in bytes
	blind int // room for nodes of unknown size
}

// newBatch returns an empty batch. It has no room for paths if the servers do not support the request.
func (p *pass) newBatch() *batch {
	return &batch{paths: p.source.size(), reply: p.replyRoom(), blind: maxBlind}
}

// replyRoom returns the maximum size of a batch's reply.
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

// estimate is the expected size of a read's reply.
type estimate struct {
	size  int
	blind bool // neither the node nor a sibling has been read before
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
		return e, false // the data would be transferred only for its Stat
	case t.list:
		e.size += int(known.node.Stat.NumChildren) * usualName
	}
	e.size += readReply
	return e, e.size <= p.replyRoom()/4
}

// learn uses the size of a node that was read for the first time to estimate others.
func (p *pass) learn(size int) { p.guess = max(size, p.guess-(p.guess-size)/8) }

// learnBatch raises the estimate after the reply to a batch of n was too long.
func (p *pass) learnBatch(n int) { p.guess = max(p.guess, p.cli.MaxReplySize()/n) }

// strange reports whether no sibling of a node is in the mirror.
func (p *pass) strange(path string) bool {
	if path == p.spec.root {
		return true
	}
	parent := p.find(p.spec.parent(path))
	return parent == nil || parent.kids.count() == 0
}

// urgent reports whether there are many reads, or a caller waits for them.
func (p *pass) urgent() bool {
	return p.catching > 0 || p.rereading || len(p.waiting) > 0 || len(p.queue) >= maxBatch
}

// atOnce returns the maximum number of pending batches.
func (p *pass) atOnce() int {
	if p.urgent() {
		return maxBatches
	}
	return 1
}

// repose starts the rest after a request that took so long. Only urgent reads are sent during the rest.
func (p *pass) repose(took time.Duration) {
	if d := min(restShare*took, maxRest); d > 0 {
		p.rest.Reset(d)
		p.resting = true
	}
}

// startReads sends as many reads as may be pending.
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

// sendBatch sends a batch. A read that is alone in it is sent by itself.
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

// room returns n empty answers, in the memory of earlier ones if possible.
func (p *pass) room(n int) []answer {
	if last := len(p.spare) - 1; last >= 0 && cap(p.spare[last]) >= n {
		answers := p.spare[last][:n]
		p.spare = p.spare[:last]
		return answers
	}
	return make([]answer, n)
}

// reuse keeps the memory of processed answers.
func (p *pass) reuse(answers []answer) {
	clear(answers)
	if p.spare = append(p.spare, answers); p.running == 0 {
		p.spare = nil
	}
}

// fill stores the result of a batch. The data of a known node is not decoded again if it has not changed.
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

// apart repeats a read by itself.
func (p *pass) apart(t *task) {
	t.alone, t.running = true, false
	p.enqueue(t)
}
