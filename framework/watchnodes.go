package framework

import (
	"context"
	"errors"
	"time"

	"github.com/docent-zk/docent/internal/jute"
	"github.com/docent-zk/docent/internal/wire"
)

// watchNodes implements recipekit.WatchNodes.
func (s *Session) watchNodes(ctx context.Context, paths []string) (watches []*Watch, nodes []Node, err error) {
	at, longest := make([]string, len(paths)), 0
	for i, path := range paths {
		if at[i], err = s.locate("watchData", path); err != nil {
			return nil, nil, err
		}
		longest = max(longest, len(at[i]))
	}
	err = s.do(ctx, request{op: "watchData", path: paths[0], size: longest, repeatable: true, try: func(ctx context.Context, e *epoch) error {
		watches, nodes, err = e.watchNodes(ctx, s.space, at)
		return err
	}})
	return watches, nodes, err
}

// nodeWatch is the watch of one node that is being set.
type nodeWatch struct {
	*asked[Node]
	w     *Watch
	armed bool
}

// watchNodes sets all watches with one setWatches if none of them is set and the servers support that. Otherwise it
// reads each node.
func (e *epoch) watchNodes(ctx context.Context, s space, at []string) (watches []*Watch, nodes []Node, err error) {
	set, armed := e.joinNodes(s, at)
	if len(at) > 1 && !armed && e.worthSetWatches() {
		if watches, err = e.watchTogether(ctx, set, at); !errors.Is(err, errNotArmed) {
			return watches, nil, err
		}
		set, _ = e.joinNodes(s, at)
	}
	return e.watchEach(ctx, s, set)
}

// joinNodes adds a user to the watch of each node. It reports whether one of these watches is already set, or served by
// a recursive watch.
func (e *epoch) joinNodes(s space, at []string) (set []nodeWatch, armed bool) {
	set = make([]nodeWatch, len(at))
	for i, path := range at {
		n := &set[i]
		n.w, n.armed = e.watches.join(s, watchKey{dataWatch, path})
		armed = armed || n.armed
	}
	return set, armed
}

// worthSetWatches reports whether the servers support setWatches, and have not refused it recently.
func (e *epoch) worthSetWatches() bool {
	t := &e.watches
	t.mu.Lock()
	singly := t.rearming.singly()
	t.mu.Unlock()
	return !singly && e.core.can.has(capSetWatches)
}

// watchBatch is one setWatches for several nodes. Its relativeZxid is the newest transaction seen before it. So the
// server replies with an event for each node that does not exist or has changed since, and sets the other watches. The
// events come before the reply.
type watchBatch struct {
	set     []nodeWatch
	zxid    int64
	reached int64 // the zxid in the reply
}

// watchTogether returns nil for the watch of a node that does not exist. If the server refuses, it returns errNotArmed
// and sets no watch.
func (e *epoch) watchTogether(ctx context.Context, set []nodeWatch, at []string) ([]*Watch, error) {
	g := &watchBatch{set: set, zxid: e.newest()}
	body := &jute.SetWatchesRequest{RelativeZxid: g.zxid, Data: at, Exist: []string{}, Child: []string{}}
	call := query[struct{}]{op: jute.OpSetWatches, at: at[0], body: body, kind: e.core.can.kind(capSetWatches)}.call(ctx)
	call.Answered = func(zxid int64, _ int32) { g.reached = zxid }
	call.Over = func(err error) { g.over(e, err) }
	if err := e.send(ctx, &call.Call); err != nil {
		g.over(e, err)
		g.stop()
		return nil, err
	}
	_, err := call.wait(ctx, e)
	if err == nil && g.reached < g.zxid {
		err = errNotArmed
	}
	if err != nil {
		g.stop()
		return nil, e.refusedWatches(err, call)
	}
	watches := make([]*Watch, len(at))
	for i, n := range set {
		if n.w.fired() == EventDeleted {
			n.w.Stop()
		} else {
			watches[i] = n.w
		}
	}
	return watches, nil
}

// over handles the reply. It runs in the receiving goroutine if there is one, after the events that the server sent
// before it.
func (g *watchBatch) over(e *epoch, err error) {
	var seen *nodeState
	if err == nil && g.reached >= g.zxid {
		seen = &nodeState{exists: true, until: g.zxid}
	}
	for _, n := range g.set {
		if e.watches.attempted(n.w, seen) {
			e.repair(n.w.key.path)
		}
	}
}

// stop removes all watches.
func (g *watchBatch) stop() {
	for _, n := range g.set {
		n.w.Stop()
	}
}

// refusedWatches returns errNotArmed if the server has answered a setWatches with a code that refuses it; then none is
// sent for an hour. It returns other errors unchanged.
func (e *epoch) refusedWatches(err error, call *asked[struct{}]) error {
	code := (*wire.CodeError)(nil)
	if _, answer := call.Wait(settled); !errors.As(answer, &code) || disowns(code.Code) || code.Code == codeUnimplemented {
		return err
	}
	e.watches.mu.Lock()
	defer e.watches.mu.Unlock()
	e.watches.rearming.refused = time.Now()
	return errNotArmed
}

// watchEach sends a read for each node in one write and waits for the replies.
func (e *epoch) watchEach(ctx context.Context, s space, set []nodeWatch) ([]*Watch, []Node, error) {
	calls := make([]*wire.Call, len(set))
	for i := range set {
		e.watchNode(ctx, s, &set[i])
		calls[i] = &set[i].Call
	}
	if err := e.send(ctx, calls...); err != nil {
		for _, n := range set {
			if !n.armed {
				e.watches.attempted(n.w, nil)
			}
			n.w.Stop()
		}
		return nil, nil, err
	}
	watches, nodes := make([]*Watch, len(set)), make([]Node, len(set))
	for i, n := range set {
		node, err := n.wait(ctx, e)
		switch {
		case err == nil:
			e.watches.saw(n.w, stateOf(&node.Stat))
			watches[i], nodes[i] = n.w, node
		case errors.Is(err, ErrNoNode):
			n.w.Stop()
		default:
			leaveRest(set, i)
			return nil, nil, err
		}
	}
	return watches, nodes, nil
}

// watchNode prepares the request for one node.
func (e *epoch) watchNode(ctx context.Context, s space, n *nodeWatch) {
	path := n.w.key.path
	n.asked = getQuery(s, path, !n.armed).call(ctx)
	if n.armed {
		return
	}
	answer, w := n.asked, n.w
	n.Over = func(err error) {
		if e.watches.armed(w, &answer.answer.Stat, callError(e.ctx, err) == nil) {
			e.repair(path)
		}
	}
}

// leaveRest removes the watches from number i on, whose reply is an error.
func leaveRest(set []nodeWatch, i int) {
	for _, n := range set[i+1:] {
		n.Wait(settled) // taken back if it has not been sent
	}
	for _, n := range set {
		n.w.Stop()
	}
}

// armed records the reply to a request that sets a watch, with the Stat in it. See attempted for its result.
func (t *watches) armed(w *Watch, s *Stat, set bool) (beside bool) {
	if !set {
		return t.attempted(w, nil)
	}
	return t.attempted(w, stateOf(s))
}

// connection implements recipekit.Connection.
func (s *Session) connection() int {
	t := &s.e.watches
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.era
}
