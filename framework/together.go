package framework

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/docent-zk/docent/internal/jute"
)

const (
	// togetherSize bounds the creates in one transaction, in bytes. Servers might refuse longer requests.
	togetherSize = 32 << 10
	// togetherFlying is the maximum number of concurrent transactions of creates in a session.
	togetherFlying = 2
)

// together combines creates that arrive while others are pending into one transaction. It uses no timer: a single
// create is sent at once, by itself.
type together struct {
	limit int // of a transaction, in bytes

	mu     sync.Mutex
	flying int // pending transactions and single creates
	queue  []*joint
}

// joint is a create that shares a transaction.
type joint struct {
	op   jute.MultiOp
	size int
	done chan struct{} // closed when it has ended
	err  error         // set before done is closed
}

// errByItself means that a create was not applied because it shared a transaction with a refused one.
var errByItself = errors.New("the create is to be sent by itself")

// createTogether implements recipekit.CreateTogether.
func (s *Session) createTogether(ctx context.Context, path string, data []byte, opts ...CreateOption) (Node, error) {
	c, err := s.newCreate(path, data, opts)
	if err != nil {
		return Node{}, s.failUnsent("create", path, err)
	}
	c.together = c.mode == Ephemeral && !c.protected && c.size() <= togetherSize
	return c.run(ctx, &s.ops, path)
}

// sendTogether is send for a create that others may be added to. The node's Stat may be missing.
func (c *create) sendTogether(ctx context.Context, e *epoch) ([]Node, error) {
	j := e.together.join(c)
	if j == nil {
		nodes, err := c.send(ctx, e)
		e.land(leftBehind(err))
		return nodes, err
	}
	select {
	case <-j.done:
	case <-ctx.Done():
		if e.together.leave(j) {
			return nil, &unsentError{ContextError(ctx)}
		}
		return nil, &errCallEnded{cause: ContextError(ctx), done: j.done, late: j.late}
	}
	switch {
	case errors.Is(j.err, errByItself):
		return c.send(ctx, e)
	case j.err != nil:
		return nil, j.err
	}
	return []Node{{Path: c.space.local(c.at), Data: c.data}}, nil
}

// join adds a create to the next transaction. It returns nil if the create can be sent at once.
func (t *together) join(c *create) *joint {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.flying < togetherFlying {
		t.flying++
		return nil
	}
	j := &joint{op: createOp(c.at, c.data, c.acl, c.mode), size: c.size(), done: make(chan struct{})}
	t.queue = append(t.queue, j)
	return j
}

// leave removes a create from the next transaction. It returns false if that has been sent.
func (t *together) leave(j *joint) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	i := slices.Index(t.queue, j)
	if i < 0 {
		return false
	}
	t.queue = slices.Delete(t.queue, i, i+1)
	return true
}

// land ends a create that was sent by itself, and sends the next transaction. left is closed when the create has ended;
// nil if it has.
func (e *epoch) land(left <-chan struct{}) {
	var batch []*joint
	if left == nil {
		if batch = e.together.next(); batch == nil {
			return
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.over {
		e.together.refuse(batch)
		return
	}
	e.calls.Go(func() {
		if left != nil {
			<-left
			batch = e.together.next()
		}
		for ; batch != nil; batch = e.together.next() {
			e.createAll(batch)
		}
	})
}

// next returns the creates of the next transaction, after one has ended. If there are none, one transaction less is
// pending.
func (t *together) next() []*joint {
	t.mu.Lock()
	defer t.mu.Unlock()
	n, size := 0, 0
	for n < len(t.queue) && (n == 0 || size+t.queue[n].size <= t.limit) {
		size += t.queue[n].size
		n++
	}
	if n == 0 {
		t.flying--
		t.queue = nil
		return nil
	}
	batch := t.queue[:n:n]
	t.queue = t.queue[n:]
	return batch
}

// refuse ends the creates of an epoch that has ended, including those that have not been sent.
func (t *together) refuse(batch []*joint) {
	for {
		for _, j := range batch {
			j.end(errNotAdmitted)
		}
		if batch = t.next(); batch == nil {
			return
		}
	}
}

// late returns the result of an abandoned create.
func (j *joint) late() error {
	if errors.Is(j.err, errByItself) {
		return errNotAdmitted
	}
	return j.err
}

func (j *joint) end(err error) {
	j.err = err
	close(j.done)
}

// createAll sends creates in one transaction. If one of them is refused, none was applied, and the others are sent by
// themselves.
func (e *epoch) createAll(batch []*joint) {
	if len(batch) == 1 {
		batch[0].end(errByItself)
		return
	}
	requests := make([]jute.MultiOp, len(batch))
	for i, j := range batch {
		requests[i] = j.op
	}
	_, err := ask(context.Background(), e, multiQuery(batch[0].path(), requests)) // ends with the connection
	var part *refusedPart
	refused := errors.As(err, &part) && part.index < len(batch) && meaningOf("create", part.err) != saysNothing
	for i, j := range batch {
		switch {
		case refused && i == part.index:
			j.end(part.err)
		case refused, err != nil && outcomeOf(answerTo("multi", err)) == answered:
			j.end(errByItself)
		default:
			j.end(err)
		}
	}
}

func (j *joint) path() string { return j.op.Body.(*jute.CreateRequest).Path }
