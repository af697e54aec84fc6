package framework

import (
	"context"
	"errors"
	"slices"
)

// WriteOption changes a set, delete or multi: [Idempotent] or, for a delete, [Guaranteed].
type WriteOption interface{ applyWrite(*write) }

type idempotent struct{}

func (idempotent) applyWrite(w *write)   { w.repeat = true }
func (idempotent) applyCreate(c *create) { c.repeat = true }

type guaranteed struct{}

func (guaranteed) applyWrite(w *write) { w.guaranteed = true }

var (
	// Idempotent says that applying the operation twice is harmless. If a reply is lost, the operation is then retried
	// instead of returning [ErrOutcomeUnknown]. The second attempt may fail with [ErrNodeExists], [ErrNoNode] or
	// [ErrBadVersion] because of the first.
	Idempotent = idempotent{}

	// Guaranteed continues a delete in the background if the call ends without a reply, until it succeeds or the client
	// is closed. In the background, it only deletes a node that is older than the newest change which this client had
	// seen when Delete was called (or, if it had seen none, when it first reached a server). If the node is ephemeral,
	// it must also belong to the session of that time. So a node that another client has created since under the same
	// name is never deleted.
	//
	// A guaranteed delete of a [Session] has been written to the connection when Delete returns, if there is one, even
	// if ctx had ended before. In that case Delete does not wait for the reply. If the servers refuse it with
	// ErrNoAuth, Delete returns that, and the client retries it with growing pauses while the session lives.
	// [Client.Recipes] lists such a removal as "clean-up", [Client.Health] reports it, and [Session.Removing] finds it.
	Guaranteed WriteOption = guaranteed{}
)

// write is a set, delete or setACL in progress.
type write struct {
	repeat     bool
	guaranteed bool

	at      string
	version int32
	before  yardstick // before the last attempt
	sentIn  *epoch    // of the last attempt
	stat    Stat
	look    *look // a read of another node behind a delete; nil for none
}

func (o *ops) newWrite(op, path string, version int32, opts []WriteOption) (*write, error) {
	w := &write{version: version}
	for _, opt := range opts {
		opt.applyWrite(w)
	}
	at, err := o.space.resolve(path)
	if err != nil {
		return nil, o.failUnsent(op, path, err)
	}
	w.at = at
	return w, nil
}

// sending records the last moment at which the request had certainly not been applied: nothing was sent before, or its
// outcome is known.
func (w *write) sending(e *epoch) { w.before, w.sentIn = e.yardstick(), e }

// mayComeLate reports whether a request that was sent in one epoch, and has not been applied as seen in another, may
// still be applied. A network can delay it as long as the servers keep its session. (In the same session this is
// impossible, since the read follows the request, or uses another server that has taken over the session.) Sending it
// again would not help, even with a version: the late request may arrive first, so that the second is refused, or
// arrive when another client has created a node of the same version in its place.
func mayComeLate(sentIn, e *epoch) bool { return sentIn != e && !sentIn.gone.Load() }

// Set replaces a node's data if its version is version, or in any case with [AnyVersion]. It returns the new Stat.
//
// If the reply is lost, Set reads the node, and repeats the set if the node has not changed since. If the node has
// changed, it cannot tell who changed it, and returns [ErrOutcomeUnknown]. It also returns that if the session was lost
// together with the reply and may still live on the servers.
//
// Errors: [ErrNoNode], [ErrBadVersion], [ErrNoAuth], [ErrTooLarge], [ErrInvalidPath].
func (o *ops) Set(ctx context.Context, path string, data []byte, version int32, opts ...WriteOption) (Stat, error) {
	w, err := o.newWrite("set", path, version, opts)
	if err != nil {
		return Stat{}, err
	}
	data = notNull(data)
	err = o.do(ctx, request{op: "set", path: path, size: len(w.at) + len(data), repeatable: w.repeat,
		try: func(ctx context.Context, e *epoch) error {
			w.sending(e)
			return w.ask(ctx, e, setQuery(w.at, data, version))
		},
		settle: w.settleSet,
	})
	return w.stat, err
}

// notNull returns data, or empty data in place of null, which clients in other languages often cannot handle.
func notNull(data []byte) []byte {
	if data == nil {
		return []byte{}
	}
	return data
}

// ask sends a query whose reply is the new Stat.
func (w *write) ask(ctx context.Context, e *epoch, q query[Stat]) error {
	stat, err := ask(ctx, e, q)
	if err == nil {
		w.stat = stat
	}
	return err
}

func (w *write) settleSet(ctx context.Context, e *epoch) (verdict, error) {
	stat, err := e.stat(ctx, w.at)
	if err != nil || stat == nil {
		return undecided, err
	}
	if w.before.broken(e.core) || stat.Mzxid > w.before.zxid {
		return undecided, nil
	}
	return notApplied, nil
}

// Delete deletes a node without children if its version is version, or in any case with [AnyVersion].
//
// If the reply is lost, Delete reads the node. If the node is gone, the delete has succeeded, no matter which client
// deleted it. If it is still the same node, the delete is repeated. If it is newer than what the client had seen,
// Delete cannot tell, and returns [ErrOutcomeUnknown]. It also returns that if the session was lost together with the
// reply and may still live on the servers. With [Guaranteed], it continues in the background.
//
// Errors: [ErrNoNode], [ErrBadVersion], [ErrNotEmpty], [ErrNoAuth], [ErrInvalidPath].
func (o *ops) Delete(ctx context.Context, path string, version int32, opts ...WriteOption) error {
	w, err := o.newWrite("delete", path, version, opts)
	if err != nil {
		return err
	}
	return o.delete(ctx, path, w)
}

func (o *ops) delete(ctx context.Context, path string, w *write) error {
	since := o.known()
	err := o.do(ctx, request{op: "delete", path: path, size: len(w.at), repeatable: w.repeat, try: w.tryDelete, settle: w.settleDelete})
	if err == nil || !w.guaranteed {
		return err
	}
	t := task{name: "delete " + w.at, at: []string{w.at}, size: len(w.at), in: o.fixed, run: func(ctx context.Context, e *epoch) error {
		return w.removeKnown(ctx, e, &since)
	}}
	o.delegate(ctx, t, w.tryDelete, err)
	return err
}

// tryDelete sends the delete. When it returns, a guaranteed delete has been written to the connection.
func (w *write) tryDelete(ctx context.Context, e *epoch) error {
	w.sending(e)
	q := deleteQuery(w.at, w.version)
	var err error
	switch {
	case w.look != nil:
		a := q.call(ctx)
		_, err = a.written(ctx, e, w.look.behind(ctx, a))
	case w.guaranteed:
		_, err = q.call(ctx).written(ctx, e)
	default:
		_, err = ask(ctx, e, q)
	}
	return err
}

// knowledge is what a client knows about the tree at some time: the newest change seen, and its session.
type knowledge struct {
	yardstick
	session int64
}

func (e *epoch) known() knowledge {
	y := yardstick{era: e.core.era.Load()}
	y.zxid = e.zxid()
	return knowledge{yardstick: y, session: e.wire.ID()}
}

func (o *ops) known() knowledge {
	if o.fixed != nil {
		return o.fixed.known()
	}
	if e := o.core.gate.Load().epoch; e != nil {
		return e.known()
	}
	return knowledge{}
}

func (w *write) settleDelete(ctx context.Context, e *epoch) (verdict, error) {
	stat, err := e.stat(ctx, w.at)
	switch {
	case err != nil:
		return undecided, err
	case stat == nil && mayComeLate(w.sentIn, e): // whoever deleted the node, this request may still hit another node at the path
		return undecided, errLate
	case stat == nil:
		return applied, nil
	case w.before.broken(e.core), stat.Czxid > w.before.zxid: // it replaces the deleted node, or existed before the delete was sent, which was lost
		return undecided, nil
	}
	return notApplied, nil
}

// removeKnown deletes the node if it existed at that time and does not belong to another session.
func (w *write) removeKnown(ctx context.Context, e *epoch, since *knowledge) error {
	if err := e.sync(ctx, w.at); err != nil {
		return err
	}
	if since.zxid == 0 {
		*since = e.known()
	}
	if since.broken(e.core) {
		return nil // there is no way to tell it from a node that was created since
	}
	for {
		stat, err := e.stat(ctx, w.at)
		if err != nil || stat == nil || stat.Czxid > since.zxid {
			return err
		}
		if stat.EphemeralOwner != 0 && stat.EphemeralOwner != since.session || w.version != AnyVersion && stat.Version != w.version {
			return nil
		}
		err = e.remove(ctx, w.at, stat.Version)
		if !errors.Is(err, ErrBadVersion) {
			return err
		}
		// Its data was set since it was read: it is still the same node.
	}
}

// SetACL replaces a node's access-control list if the list's version (Stat.Aversion) is version, or in any case with
// [AnyVersion].
//
// Errors: [ErrNoNode], [ErrBadVersion], [ErrNoAuth], [ErrInvalidACL], [ErrInvalidPath]. [ErrOutcomeUnknown] means that
// the reply was lost and the list has changed since, or may have.
func (o *ops) SetACL(ctx context.Context, path string, acl []ACL, version int32, opts ...WriteOption) (Stat, error) {
	w, err := o.newWrite("setACL", path, version, opts)
	if err != nil {
		return Stat{}, err
	}
	acl = slices.Clone(acl)
	size := len(w.at)
	for _, a := range acl {
		size += 12 + len(a.Scheme) + len(a.ID)
	}
	err = o.do(ctx, request{op: "setACL", path: path, size: size, repeatable: w.repeat,
		try: func(ctx context.Context, e *epoch) error {
			w.sending(e)
			return w.ask(ctx, e, setACLQuery(w.at, acl, version))
		},
		settle: func(ctx context.Context, e *epoch) (verdict, error) {
			stat, err := e.stat(ctx, w.at)
			if err == nil && stat != nil && stat.Aversion == version && stat.Czxid <= w.before.zxid && !w.before.broken(e.core) {
				return notApplied, nil
			}
			return undecided, err
		},
	})
	return w.stat, err
}
