package framework

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// DeleteTreeOption says how [Client.DeleteTree] deletes: [KeepRoot], [WholeNamespace].
type DeleteTreeOption interface{ applyDeleteTree(*deletion) }

type deleteTreeOption func(*deletion)

func (f deleteTreeOption) applyDeleteTree(d *deletion) { f(d) }

var (
	// KeepRoot deletes what is below the path, but not the node at the path.
	KeepRoot DeleteTreeOption = deleteTreeOption(func(d *deletion) { d.keepRoot = true })

	// WholeNamespace allows DeleteTree to delete "/", the root of the client's namespace. Without a namespace and a
	// chroot, that is everything except /zookeeper. The root node of a namespace or of a chroot is deleted as well,
	// unless KeepRoot is given too.
	WholeNamespace DeleteTreeOption = deleteTreeOption(func(d *deletion) { d.wholeNamespace = true })
)

const (
	// deletesAtOnce is the maximum number of concurrent requests of a DeleteTree.
	deletesAtOnce = 32
	// deleteRounds is how often DeleteTree empties one node in which others keep creating children.
	deleteRounds = 32
	// doubtfulDeletes is how often a delete with an unknown outcome is repeated.
	doubtfulDeletes = 3
	// maxLeft is the maximum number of nodes in DeleteTreeError.Left.
	maxLeft = 16
)

// DeleteTreeError lists what [Client.DeleteTree] has not deleted. It unwraps to Err and to the errors in Left.
type DeleteTreeError struct {
	Path    string     // as given by the caller
	Deleted int        // number of nodes deleted by this call, as far as is known
	Left    []*OpError // nodes that were found and not deleted, with the reason; the first 16
	More    int        // number of further nodes that were not deleted
	// Err says why DeleteTree ended early, or that a delete may still be applied late. It is nil if only the nodes in
	// Left were not deleted, with those above and below them.
	Err error
}

// Error names the nodes that were not deleted, and why.
func (e *DeleteTreeError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "zookeeper: deleteTree %s: %d nodes deleted", e.Path, e.Deleted)
	if e.Err != nil {
		fmt.Fprintf(&b, "; ended early: %v", e.Err)
	}
	if len(e.Left) > 0 {
		fmt.Fprintf(&b, "; %d left, with what is above and below them", len(e.Left)+e.More)
	}
	for _, left := range e.Left {
		fmt.Fprintf(&b, "; %s: %v", left.Path, left.Err)
	}
	if e.More > 0 {
		fmt.Fprintf(&b, "; and %d more", e.More)
	}
	return b.String()
}

// Unwrap returns Err and the errors in Left.
func (e *DeleteTreeError) Unwrap() []error {
	var list []error
	if e.Err != nil {
		list = append(list, e.Err)
	}
	for _, left := range e.Left {
		list = append(list, left)
	}
	return list
}

// DeleteTree deletes the node at path and everything below it, children first, no matter which client created it. A
// node that does not exist is not an error, so an interrupted call can be repeated. Nothing above path or outside of
// the client's namespace is deleted. path must not be "/" without [WholeNamespace].
//
// DeleteTree is not a transaction: other clients see the tree shrink. It sends up to 32 requests at once, and keeps one
// list of children in memory for each level of the tree and each of these requests. ctx bounds the whole call. Each
// request is also bounded as other operations of Client and Session are. A Client continues after a lost connection or
// session.
//
// If children are created in a node while DeleteTree empties it, it empties the node again, up to 32 times, and then
// leaves it with [ErrNotEmpty]. Where an ACL forbids a delete or a list, the node and everything below it stay, with
// [ErrNoAuth], and the rest is deleted. A [*DeleteTreeError] lists what was not deleted.
//
// The error matches [ErrOutcomeUnknown] if the client lost the reply to a delete and then, by its own clock, the
// session. The servers may still apply that delete, to a node that is created later at the same path. [Client.Delete]
// can return ErrOutcomeUnknown for the same reason.
func (o *ops) DeleteTree(ctx context.Context, path string, opts ...DeleteTreeOption) error {
	d := &deletion{ops: o, ctx: ctx, helpers: make(chan struct{}, deletesAtOnce-1)}
	for _, opt := range opts {
		opt.applyDeleteTree(d)
	}
	at, err := o.space.resolve(path)
	if err == nil {
		err = d.forbids(at, path)
	}
	if err != nil {
		return o.failUnsent("deleteTree", path, err)
	}
	d.node(o.space.local(at), d.keepRoot || at == "/")
	return d.result(path)
}

// deletion is a DeleteTree in progress.
type deletion struct {
	ops            *ops
	ctx            context.Context
	keepRoot       bool
	wholeNamespace bool
	helpers        chan struct{} // holds a token for each goroutine besides the caller's

	mu     sync.Mutex
	count  int // nodes deleted
	left   []*OpError
	more   int
	doubts []doubt
	ended  error // why no more requests are sent
}

// doubt is a delete with an unknown outcome.
type doubt struct {
	sentIn *epoch
	err    error
}

// errDeletionOver is the error of a delete that is not sent because the deletion has ended.
var errDeletionOver = errors.New("the deletion has ended")

// forbids returns why a tree must not be deleted, or nil.
func (d *deletion) forbids(at, path string) error {
	switch {
	case path == "/" && !d.wholeNamespace:
		return fmt.Errorf("%w: it is the root of the namespace; pass framework.WholeNamespace if all of it is to be deleted", ErrInvalidPath)
	case slices.Contains([]string{"/zookeeper", "/zookeeper/config", "/zookeeper/quota"}, at) && !d.keepRoot:
		return fmt.Errorf("%w: servers do not delete %s", ErrInvalidPath, at)
	}
	return nil
}

// node deletes a node and everything below it. With keep, it deletes only what is below. It reports whether that is
// gone.
func (d *deletion) node(path string, keep bool) (gone bool) {
	for range deleteRounds {
		if !keep {
			err := d.delete(path)
			if err == nil {
				return true
			}
			if !errors.Is(err, ErrNotEmpty) {
				return false
			}
		}
		names, ok := d.list(path)
		if !ok {
			return false
		}
		if keep && len(names) == 0 {
			return true
		}
		if !d.children(path, names) {
			return false
		}
	}
	d.leave(d.ops.failUnsent("delete", path, &explainedError{ErrNotEmpty,
		fmt.Sprintf("others have created nodes below it each of the %d times that its children had been deleted", deleteRounds)}))
	return false
}

// list returns the names of the children to delete.
func (d *deletion) list(path string) (names []string, ok bool) {
	if d.isOver() {
		return nil, false
	}
	names, _, err := d.ops.Children(d.ctx, path)
	switch {
	case errors.Is(err, ErrNoNode):
		return nil, true
	case err != nil:
		d.refuse(err)
		return nil, false
	}
	if d.ops.space == "" && path == "/" {
		names = slices.DeleteFunc(names, func(name string) bool { return name == "zookeeper" })
	}
	return names, true
}

// children deletes the named nodes and everything below them, and reports whether they are gone. It starts a goroutine
// for each as far as helpers allows.
func (d *deletion) children(path string, names []string) (gone bool) {
	var helping sync.WaitGroup
	var stays atomic.Bool
	one := func(name string) {
		if !d.node(Join(path, name), false) {
			stays.Store(true)
		}
	}
	for _, name := range names {
		if d.isOver() {
			stays.Store(true)
			break
		}
		select {
		case d.helpers <- struct{}{}:
			helping.Go(func() {
				defer func() { <-d.helpers }()
				one(name)
			})
		default:
			one(name)
		}
	}
	helping.Wait()
	return !stays.Load()
}

// delete deletes a node without children. It is not an error if the node does not exist. Any error but ErrNotEmpty has
// been recorded.
func (d *deletion) delete(path string) error {
	var doubts []doubt
	for !d.isOver() {
		w, err := d.ops.newWrite("delete", path, AnyVersion, nil)
		if err == nil {
			err = d.ops.delete(d.ctx, path, w)
		}
		if errors.Is(err, ErrOutcomeUnknown) {
			doubts = append(doubts, doubt{w.sentIn, err})
			if len(doubts) < doubtfulDeletes && d.ctx.Err() == nil {
				continue
			}
		} else if w != nil {
			doubts = slices.DeleteFunc(doubts, func(t doubt) bool { return t.sentIn == w.sentIn && !errors.Is(t.err, errAstray) })
		}
		return d.deleted(err, doubts)
	}
	return errDeletionOver
}

// deleted records the result of a node's delete.
func (d *deletion) deleted(err error, doubts []doubt) error {
	d.mu.Lock()
	d.doubts = append(d.doubts, doubts...)
	if err == nil {
		d.count++
	}
	d.mu.Unlock()
	switch {
	case errors.Is(err, ErrOutcomeUnknown): // it may match another error as well
	case err == nil, errors.Is(err, ErrNoNode):
		return nil
	case errors.Is(err, ErrNotEmpty):
		return err
	}
	d.refuse(err)
	return err
}

// refuse records why a node was not deleted. An error that is not a server's reply ends the deletion.
func (d *deletion) refuse(err error) {
	var op *OpError
	if isRefusal(err) && errors.As(err, &op) {
		d.leave(op)
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ended == nil {
		d.ended = err
	}
}

func (d *deletion) leave(op *OpError) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.left) == maxLeft {
		d.more++
		return
	}
	d.left = append(d.left, op)
}

func (d *deletion) isOver() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.ended != nil
}

// result returns the error of the whole call.
func (d *deletion) result(path string) error {
	if d.ended == nil {
		d.ended = d.late()
	}
	if d.ended == nil && len(d.left) == 0 {
		return nil
	}
	return &DeleteTreeError{Path: path, Deleted: d.count, Left: d.left, More: d.more, Err: d.ended}
}

// late returns an error if the servers may still apply a delete: the session in which it was sent may still be alive,
// and is not the current one, in which later replies have arrived.
func (d *deletion) late() error {
	present := d.ops.core.gate.Load().epoch
	for _, t := range d.doubts {
		switch {
		case errors.Is(t.err, errAstray), errors.Is(t.err, errLate) && mayComeLate(t.sentIn, present):
			return t.err
		case mayComeLate(t.sentIn, present):
			return fmt.Errorf("%w: %w", t.err, errLate)
		}
	}
	return nil
}
