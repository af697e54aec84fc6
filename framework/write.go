package framework

import (
	"context"
	"errors"
	"slices"
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

	// Guaranteed makes a delete go on in the background when it is given up unanswered: until it is done, or the client is
	// closed. In the background it removes only a node that is older than the newest change which this client had seen
	// when Delete was called (or, if it had seen none, when it first reached a server) and, if the node is ephemeral, only
	// one of the session of that time: never what somebody else has created under the same name since.
	//
	// A guaranteed delete of a [Session] has been written to the connection when Delete returns, if there is one, even if ctx
	// had ended before: the answer is not waited for then. If the servers refuse it with ErrNoAuth, Delete says so, and the client
	// tries again with growing pauses while the session lives. [Client.Recipes] lists such a removal as "clean-up", [Client.Health]
	// reports it, and [Session.Removing] finds it.
	Guaranteed WriteOption = guaranteed{}
)

// write is a set, delete or setACL on its way.
type write struct {
	repeat     bool
	guaranteed bool

	at      string
	version int32
	before  yardstick // of the last try
	sentIn  *epoch    // of the last try
	stat    Stat
	look    *look // at another node, behind a delete; nil for none
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

// sending notes the last moment at which the request certainly had not been applied: nothing was sent before, or it is known
// what became of it.
func (w *write) sending(e *epoch) { w.before, w.sentIn = e.yardstick(), e }

// mayComeLate reports whether a request that was sent in one epoch may still be applied although it was not when looked for
// in another: a network can hold it back for as long as the servers keep the session it was sent in. (In one session it
// cannot: the look comes behind it, or by another server, which has taken the session over.) To send it again would not do,
// even if it asks for a version: the late one may be faster, and the second be refused because of it, or come when somebody
// has made another node of the same version in the place of the first.
func mayComeLate(sentIn, e *epoch) bool { return sentIn != e && !sentIn.gone.Load() }

// Set replaces a node's data if its version is version, or whatever it is with [AnyVersion], and returns its new Stat.
//
// When the answer is lost, the node is looked at: if it has not changed since, the set is repeated. If it has, nobody can
// tell whose change that was, and the result is [ErrOutcomeUnknown]; likewise if the session was lost together with the
// answer and may live on at the servers.
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

// notNull returns data, and empty data in place of null, which readers in other languages stumble over.
func notNull(data []byte) []byte {
	if data == nil {
		return []byte{}
	}
	return data
}

// ask sends a query whose answer is the new Stat.
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

// Delete removes a node without children if its version is version, or whatever it is with [AnyVersion].
//
// When the answer is lost, the node is looked at: if it is gone the delete has succeeded, whoever did it; if it is the
// same node still, the delete is repeated. If it is newer than what the client had seen, nobody can tell, and the result is
// [ErrOutcomeUnknown]; likewise if the session was lost together with the answer and may live on at the servers. With
// [Guaranteed] it goes on in the background.
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

// tryDelete sends the delete. A guaranteed one is on the wire when it returns.
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

// knowledge is what a client can know of the tree at some time: the newest change seen, and the session it lives in.
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
	case stat == nil && mayComeLate(w.sentIn, e): // whoever it was, this one may yet hit another node at the path
		return undecided, errLate
	case stat == nil:
		return applied, nil
	case w.before.broken(e.core), stat.Czxid > w.before.zxid: // in place of the one that was deleted, or there before the delete was sent, which was lost
		return undecided, nil
	}
	return notApplied, nil
}

// removeKnown deletes the node if it existed at that time and is not another session's.
func (w *write) removeKnown(ctx context.Context, e *epoch, since *knowledge) error {
	if err := e.sync(ctx, w.at); err != nil {
		return err
	}
	if since.zxid == 0 {
		*since = e.known()
	}
	if since.broken(e.core) {
		return nil // nobody can tell what is there from what was created since
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
		// Set since it was looked at: that does not make it another node.
	}
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
