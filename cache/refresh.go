package cache

import (
	"context"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"time"

	"github.com/docent-zk/docent/framework"
)

// caller is a waiting call of Sync or Refresh.
type caller struct {
	done   chan struct{} // closed when it is served
	reread bool          // whether everything is to be read, for Refresh
}

// takeCallers returns the waiting calls. If everything is being read already, it leaves those of Refresh, since these
// reads may have begun before the calls.
func (m *mirror) takeCallers(rereading bool) (callers []caller) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var left []caller
	for _, c := range m.callers {
		if c.reread && rereading {
			left = append(left, c)
		} else {
			callers = append(callers, c)
		}
	}
	m.callers = left
	return callers
}

// putBack leaves waiting calls to the next session.
func (m *mirror) putBack(callers []caller) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.callers = append(m.callers, callers...)
}

// wait waits until everything that was committed before the call is in the mirror and, if reread is set, everything has
// been read again.
func (m *mirror) wait(ctx context.Context, reread bool) error {
	if err := m.cli.Sync(ctx, m.spec.root); err != nil {
		return fmt.Errorf("%s %s: %w", m.spec.name, m.spec.root, err)
	}
	c := caller{make(chan struct{}), reread}
	m.putBack([]caller{c})
	m.nudge()
	select {
	case <-c.done:
		return nil
	case <-m.done:
		return m.err
	case <-ctx.Done():
		return fmt.Errorf("%s %s: not up to date yet: %w", m.spec.name, m.spec.root, framework.ContextError(ctx))
	}
}

// Events can get lost. So a cache compares itself with the servers every checkAfter session timeouts, with a jitter of
// checkJitter in both directions. With one-shot watches it reads each node's Stat, which also sets watches again that a
// server has lost.
const (
	checkAfter  = 10
	checkJitter = 0.2
)

// planCheck sets the timer of the next comparison. It continues across passes.
func (p *pass) planCheck() {
	if p.checkDue.IsZero() {
		h := fnv.New64a()
		_, _ = h.Write([]byte(p.spec.root))
		jitter := rand.New(rand.NewPCG(h.Sum64(), uint64(p.s.ID())+uint64(p.checked)))
		factor := checkAfter * (1 + checkJitter*(2*jitter.Float64()-1))
		p.checkDue = time.Now().Add(time.Duration(float64(p.s.Timeout()) * factor))
		p.checked++
	}
	p.checkTimer.Reset(time.Until(p.checkDue))
}

// compareAll finds changes without an event: it asks what has changed since the last comparison, and reads that again.
func (p *pass) compareAll() {
	p.checkDue = time.Time{}
	p.planCheck()
	switch since := p.comparedTo; {
	case p.catching > 0 || p.ending:
	case p.tree == nil || p.tree.count() < fewNodes || since == 0 || !p.source.everywhere():
		p.compareEach()
	default:
		upTo := p.s.LastZxid()
		data, dirs := p.paths()
		p.read(func() answer {
			changed, err := p.s.ChangedSince(p.ctx, since, data, dirs)
			return answer{then: func() error { return p.compared(changed, err, upTo) }}
		})
	}
}

// compareEach checks each node.
func (p *pass) compareEach() {
	upTo := p.s.LastZxid()
	p.mark(work{path: p.spec.root}, true, nil)
	p.begin(func() { p.comparedTo = upTo })
}

// compared handles the reply to what has changed.
func (p *pass) compared(changed framework.Changed, err error, upTo int64) error {
	if p.over(err) {
		return err
	}
	if err := p.processNotes(); err != nil || p.ending {
		return err
	}
	if err != nil {
		p.compareEach()
		return nil
	}
	p.noteChanged(changed)
	p.begin(func() { p.comparedTo = upTo })
	return nil
}

// noteChanged turns the reply into tasks.
func (p *pass) noteChanged(changed framework.Changed) {
	for _, path := range changed.Nodes {
		if p.find(path) != nil {
			p.note(note{path: path, kind: nodeTouched})
		}
	}
	for _, path := range changed.Children {
		if p.find(path) != nil {
			p.note(note{path: path, kind: kidsTouched})
		}
	}
}
