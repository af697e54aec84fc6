package framework

import (
	"context"
	"errors"

	"github.com/go-zookeeper/zk"
)

// WriteOption changes how a set, delete or multi behaves: [Idempotent] or, for delete, [Guaranteed].
type WriteOption interface{ applyWrite(*write) }

type idempotent struct{}

func (idempotent) applyWrite(w *write)   { w.repeat = true }
func (idempotent) applyCreate(c *create) { c.repeat = true }

type guaranteed struct{}

func (guaranteed) applyWrite(w *write) { w.guaranteed = true }

var (
	// Idempotent says that applying the operation twice is harmless, so that a lost answer is followed by another try
	// instead of [ErrOutcomeUnknown]. The second try may then fail with [ErrNodeExists], [ErrNoNode] or [ErrBadVersion]
	// because of the first.
	Idempotent = idempotent{}

	// Guaranteed makes a delete go on in the background when it is given up with its outcome open: until it is done, the
	// client is closed or, for an ephemeral node of this client, the session that owns it is over. It removes only a node
	// that existed when Delete was called and, if that is ephemeral, only one of the same session: never what somebody
	// else has created under the same name since.
	Guaranteed WriteOption = guaranteed{}
)

// write is a set, delete or setACL on its way.
type write struct {
	repeat     bool
	guaranteed bool

	at      string
	version int32
	before  int64 // newest change seen before the first try
	sentIn  *epoch
	stat    Stat
}

func (o *ops) newWrite(op, path string, version int32, opts []WriteOption) (*write, error) {
	w := &write{version: version}
	for _, opt := range opts {
		opt.applyWrite(w)
	}
	at, err := o.space.resolve(path)
	if err != nil {
		return nil, &OpError{Op: op, Path: path, State: o.core.gate.Load().State, Err: err}
	}
	w.at = at
	return w, nil
}

// sending notes the last moment at which the request certainly had not been applied.
func (w *write) sending(e *epoch) {
	if w.sentIn == nil {
		w.before = e.zxid()
	}
	w.sentIn = e
}

// Set replaces a node's data if its version is version, or whatever it is with [AnyVersion], and returns its new Stat.
//
// When the answer is lost, the node is looked at: if it has not changed since, the set is repeated. If it has, nobody can
// tell whose change that was, and the result is [ErrOutcomeUnknown].
//
// Errors: [ErrNoNode], [ErrBadVersion], [ErrNoAuth], [ErrTooLarge], [ErrInvalidPath].
func (o *ops) Set(ctx context.Context, path string, data []byte, version int32, opts ...WriteOption) (Stat, error) {
	w, err := o.newWrite("set", path, version, opts)
	if err != nil {
		return Stat{}, err
	}
	if data == nil {
		data = []byte{}
	}
	err = o.do(ctx, request{op: "set", path: path, size: len(w.at) + len(data), repeatable: w.repeat,
		try: func(ctx context.Context, e *epoch) error {
			w.sending(e)
			return w.statCall(ctx, e, func(conn *zk.Conn) (*Stat, error) { return conn.Set(w.at, data, version) })
		},
		settle: w.settleSet,
	})
	return w.stat, err
}

func (w *write) statCall(ctx context.Context, e *epoch, fn func(*zk.Conn) (*Stat, error)) error {
	stat, err := call(ctx, e, fn)
	if err == nil {
		w.stat = *stat
	}
	return err
}

func (w *write) settleSet(ctx context.Context, e *epoch) (verdict, error) {
	stat, err := e.stat(ctx, w.at)
	if err != nil || stat == nil {
		return undecided, err
	}
	if stat.Mzxid <= w.before {
		return notApplied, nil
	}
	return undecided, nil
}

// Delete removes a node without children if its version is version, or whatever it is with [AnyVersion].
//
// When the answer is lost, the node is looked at: if it is gone the delete has succeeded, whoever did it; if it is the
// same node still, the delete is repeated. With [Guaranteed] it goes on in the background.
//
// Errors: [ErrNoNode], [ErrBadVersion], [ErrNotEmpty], [ErrNoAuth], [ErrInvalidPath].
func (o *ops) Delete(ctx context.Context, path string, version int32, opts ...WriteOption) error {
	w, err := o.newWrite("delete", path, version, opts)
	if err != nil {
		return err
	}
	before, origin := o.known()
	err = o.do(ctx, request{op: "delete", path: path, size: len(w.at), repeatable: w.repeat,
		try: func(ctx context.Context, e *epoch) error {
			w.sending(e)
			_, err := call(ctx, e, func(conn *zk.Conn) (struct{}, error) { return struct{}{}, conn.Delete(w.at, version) })
			return err
		},
		settle: w.settleDelete,
	})
	if err != nil && w.guaranteed && !isRefusal(err) {
		o.core.janitor.add(task{name: "delete " + w.at, after: leftBehind(err), run: func(ctx context.Context, e *epoch) error {
			return e.removeKnown(ctx, w.at, before, origin)
		}})
	}
	return err
}

// known is what the caller can know of the tree when it calls: the newest change seen, and the session it lives in.
func (o *ops) known() (zxid, session int64) {
	e := o.fixed
	if e == nil {
		e = o.core.gate.Load().epoch
	}
	if e == nil {
		return 0, 0
	}
	return e.zxid(), e.wire.ID()
}

func (w *write) settleDelete(ctx context.Context, e *epoch) (verdict, error) {
	stat, err := e.stat(ctx, w.at)
	switch {
	case err != nil:
		return undecided, err
	case stat == nil || stat.Czxid > w.before: // gone, and perhaps created anew by somebody
		return applied, nil
	}
	return notApplied, nil
}

// removeKnown deletes the node at a path if it existed at zxid and is not another session's.
func (e *epoch) removeKnown(ctx context.Context, at string, zxid, session int64) error {
	if err := e.sync(ctx); err != nil {
		return err
	}
	stat, err := e.stat(ctx, at)
	if err != nil || stat == nil || stat.Czxid > zxid {
		return err
	}
	if stat.EphemeralOwner != 0 && stat.EphemeralOwner != session {
		return nil
	}
	_, err = call(ctx, e, func(conn *zk.Conn) (struct{}, error) { return struct{}{}, conn.Delete(at, stat.Version) })
	if errors.Is(err, ErrNoNode) {
		return nil
	}
	return err
}

// SetACL replaces a node's access-control list if the version of that list (Stat.Aversion) is version, or whatever it is
// with [AnyVersion].
//
// Errors: [ErrNoNode], [ErrBadVersion], [ErrNoAuth], [ErrInvalidACL], [ErrInvalidPath]; [ErrOutcomeUnknown] when the answer
// was lost and the list has changed since, or may have.
func (o *ops) SetACL(ctx context.Context, path string, acl []ACL, version int32, opts ...WriteOption) (Stat, error) {
	w, err := o.newWrite("setACL", path, version, opts)
	if err != nil {
		return Stat{}, err
	}
	size := len(w.at)
	for _, a := range acl {
		size += 12 + len(a.Scheme) + len(a.ID)
	}
	err = o.do(ctx, request{op: "setACL", path: path, size: size, repeatable: w.repeat,
		try: func(ctx context.Context, e *epoch) error {
			w.sending(e)
			return w.statCall(ctx, e, func(conn *zk.Conn) (*Stat, error) { return conn.SetACL(w.at, acl, version) })
		},
		settle: func(ctx context.Context, e *epoch) (verdict, error) {
			stat, err := e.stat(ctx, w.at)
			if err == nil && stat != nil && stat.Aversion == version && stat.Czxid <= w.before {
				return notApplied, nil
			}
			return undecided, err
		},
	})
	return w.stat, err
}
