package barrier

import (
	"context"
	"errors"
	"strconv"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/seqnode"
)

// sign is the node "ready" as it was seen last, under a watch.
type sign struct {
	czxid   int64 // which round it opened; 0 if it was not there
	version int32 // grows by one for each late member of the round
	watch   *framework.Watch

	fired bool            // the watch has
	event framework.Event // what it has delivered
}

// look reads and watches the node "ready".
func (d *Double) look(ctx context.Context, s *framework.Session) (*sign, error) {
	stat, there, watch, err := s.WatchExists(ctx, d.at(readyName))
	if err != nil {
		return nil, err
	}
	if !there {
		stat = framework.Stat{}
	}
	return &sign{czxid: stat.Czxid, version: stat.Version, watch: watch}, nil
}

// changed delivers an event when the sign is no longer as it was seen; see note. There is none if it has been noted already.
func (s *sign) changed() <-chan framework.Event {
	if s == nil || s.fired {
		return nil
	}
	return s.watch.C
}

// note takes down the event of the watch.
func (s *sign) note(ev framework.Event) { s.fired, s.event = true, ev }

// current reports whether the sign is still as it was seen, by everything that this session has heard.
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

// mark is the data of the node of a late member: the round that it is in.
func mark(round int64) []byte { return strconv.AppendInt(nil, round, 10) }

// marked reports whether a node of docent's is that of a late member of the round.
func marked(name string, data []byte, round int64) bool {
	_, ours := seqnode.GUIDOf(name)
	return ours && string(data) == string(mark(round))
}

// member returns the path of a node of the round among names, "" if there is none. Nodes with the own id do not count: the
// member itself has left them behind.
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

// isIn reports whether a child is a member's node of the round.
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

// joinLate makes the entrant a member of a round that is under way, as one change with a check that another member's node is
// there: as long as it is, the round is. The change counts up the version of the sign, so that nobody ends the round
// meanwhile. It returns [again] if the round is over.
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
	case err == nil: // it is the sign of another round already
		return again, nil
	case !errors.Is(err, framework.ErrNoNode):
		return waits, err
	}
	// A try whose answer was lost may have been applied.
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
