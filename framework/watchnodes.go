package framework

import (
	"context"
	"errors"

	"github.com/docent-zk/docent/internal/wire"
)

// watchNodes is recipekit.WatchNodes.
func (s *Session) watchNodes(ctx context.Context, paths []string) (watches []*Watch, err error) {
	at, longest := make([]string, len(paths)), 0
	for i, path := range paths {
		if at[i], err = s.locate("watchData", path); err != nil {
			return nil, err
		}
		longest = max(longest, len(at[i]))
	}
	err = s.do(ctx, request{op: "watchData", path: paths[0], size: longest, repeatable: true, try: func(ctx context.Context, e *epoch) error {
		watches, err = e.watchNodes(ctx, s.space, at)
		return err
	}})
	return watches, err
}

// nodeWatch is the watch of one node that is being set.
type nodeWatch struct {
	*asked[Node]
	w     *Watch
	armed bool
}

// watchNodes sends all requests in one write and waits for the answers.
func (e *epoch) watchNodes(ctx context.Context, s space, at []string) ([]*Watch, error) {
	set, calls := make([]nodeWatch, len(at)), make([]*wire.Call, len(at))
	for i, path := range at {
		set[i] = e.watchNode(ctx, s, path)
		calls[i] = &set[i].Call
	}
	if err := e.send(ctx, calls...); err != nil {
		for _, n := range set {
			if !n.armed {
				e.watches.attempted(n.w, nil)
			}
			n.w.Stop()
		}
		return nil, err
	}
	watches := make([]*Watch, len(at))
	for i, n := range set {
		node, err := n.wait(ctx, e)
		switch {
		case err == nil:
			e.watches.saw(n.w, glimpseOf(&node.Stat))
			watches[i] = n.w
		case errors.Is(err, ErrNoNode):
			n.w.Stop()
		default:
			leaveRest(set, i)
			return nil, err
		}
	}
	return watches, nil
}

// watchNode makes the request for one node.
func (e *epoch) watchNode(ctx context.Context, s space, path string) nodeWatch {
	w, armed := e.watches.join(s, watchKey{dataWatch, path})
	n := nodeWatch{asked: getQuery(s, path, !armed).call(ctx), w: w, armed: armed}
	if !armed {
		n.Over = func(err error) {
			if e.watches.armed(w, &n.answer.Stat, callError(e.ctx, err) == nil) {
				e.repair(path)
			}
		}
	}
	return n
}

// leaveRest gives up the watches because the answer to number i is an error.
func leaveRest(set []nodeWatch, i int) {
	for _, n := range set[i+1:] {
		n.Wait(settled) // taken back, if it has not left
	}
	for _, n := range set {
		n.w.Stop()
	}
}

// armed notes the answer to a request that was to set a watch, and the Stat in it if it was set. See attempted for what it reports.
func (t *watches) armed(w *Watch, s *Stat, set bool) (beside bool) {
	if !set {
		return t.attempted(w, nil)
	}
	return t.attempted(w, glimpseOf(s))
}

// connection is recipekit.Connection.
func (s *Session) connection() int {
	t := &s.e.watches
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.era
}
