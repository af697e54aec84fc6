package barrier

import (
	"context"
	"errors"
	"strconv"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/seqnode"
)

// sign is the last known state of the ready node, with a watch.
type sign struct {
	czxid   int64 // identifies the round that it opened; 0 if it did not exist
	version int32 // grows by one for each late member of the round
	watch   *framework.Watch

	fired bool            // the watch has fired
	event framework.Event // the event of the watch
}

// readSign reads and watches the ready node.
func (d *Double) readSign(ctx context.Context, s *framework.Session) (*sign, error) {
	stat, there, watch, err := s.WatchExists(ctx, d.at(readyName))
	if err != nil {
		return nil, err
	}
	if !there {
		stat = framework.Stat{}
	}
	return &sign{czxid: stat.Czxid, version: stat.Version, watch: watch}, nil
}

// changed delivers the event of the watch, unless it has been recorded already: see note.
func (s *sign) changed() <-chan framework.Event {
	if s == nil || s.fired {
		return nil
	}
	return s.watch.C
}

// note records the event of the watch.
func (s *sign) note(ev framework.Event) { s.fired, s.event = true, ev }

// current reports whether the state is still current, as far as this session knows.
func (s *sign) current() bool {
	select {
	case ev := <-s.changed():
		s.note(ev)
	default:
	}
	return s != nil && !s.fired
}

// stop ends the watch.
func (s *sign) stop() {
	if s != nil {
		s.watch.Stop()
	}
}

// mark returns the data of a late member's node: the number of its round.
func mark(round int64) []byte { return strconv.AppendInt(nil, round, 10) }

// marked reports whether a docent node belongs to a late member of the round.
func marked(name string, data []byte, round int64) bool {
	_, ours := seqnode.GUIDOf(name)
	return ours && string(data) == string(mark(round))
}

// member returns the path of a node of the round among names; "" if there is none. It skips nodes with this member's
// id, which the member has left behind.
func (e *entrant) member(ctx context.Context, names []string, round int64) (string, error) {
	for _, name := range names {
		id, ok := idOf(name)
		if !ok || id == e.id {
			continue
		}
		in, err := e.isIn(ctx, name, round)
		if in || err != nil {
			return e.at(name), err
		}
	}
	return "", nil
}

// isIn reports whether a child is the node of a member of the round.
func (e *entrant) isIn(ctx context.Context, name string, round int64) (bool, error) {
	stat, there, err := e.session.Exists(ctx, e.at(name))
	switch {
	case err != nil || !there:
		return false, err
	case stat.Czxid < round:
		return true, nil
	case stat.DataLength == 0:
		return false, nil
	}
	node, err := e.session.Get(ctx, e.at(name))
	if errors.Is(err, framework.ErrNoNode) {
		return false, nil
	}
	return err == nil && marked(name, node.Data, round), err
}

// joinLate makes the entrant a member of the current round, in one transaction with a check that another member's node
// exists, which proves that the round has not ended. The transaction changes the version of the ready node, so that no
// member ends the round meanwhile. It returns [again] if the round has ended.
func (e *entrant) joinLate(ctx context.Context, round int64, member string) (verdict, error) {
	results, err := e.session.Multi(ctx, []framework.Op{
		framework.CheckOp(member, framework.AnyVersion),
		framework.SetOp(e.at(readyName), nil, framework.AnyVersion),
		framework.SetOp(e.node.Path, mark(round), framework.AnyVersion),
	}, framework.Idempotent)
	switch {
	case err == nil && results[1].Stat.Czxid == round:
		e.round = round
		return inside, nil
	case err == nil: // the ready node already belongs to another round
		return again, nil
	case !errors.Is(err, framework.ErrNoNode):
		return waits, err
	}
	// An attempt whose reply was lost may have been applied.
	node, err := e.session.Get(ctx, e.node.Path)
	if err != nil {
		return waits, e.orDeleted(err)
	}
	if string(node.Data) != string(mark(round)) {
		return again, nil
	}
	e.round = round
	return inside, nil
}
