package recipekit

import (
	"context"
	"io"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/seam"
	"github.com/docent-zk/docent/internal/telemetry"
)

// inner is what framework provides.
var inner = seam.Take[*framework.Client, *framework.Session, framework.Node, *framework.Watch, framework.CreateOption]()

// Telemetry returns what recipes report to, with the providers of framework.Config. It is nil for a nil or empty
// Client.
func Telemetry(cli *framework.Client) *telemetry.Client { return inner.Telemetry(cli) }

// Usable returns the error of Client.Run for a Client that is nil or empty. Recipes that call other methods check it first.
func Usable(cli *framework.Client) error {
	if Telemetry(cli) == nil {
		return cli.State().Cause
	}
	return nil
}

// Random returns the client's source of randomness, framework.Config.Random. It is safe for concurrent use. Recipes
// draw their jitter and GUIDs from it, so that simulations are reproducible.
func Random(cli *framework.Client) io.Reader { return inner.Random(cli) }

// Attached returns the value that recipes have attached to a session under a key in its namespace. If there is none, it
// attaches the result of create.
func Attached(s *framework.Session, key any, create func() any) any {
	return inner.Attached(s, key, create)
}

// CreateInQueue creates a protected ephemeral sequential node named name in dir, and lists dir in the same round trip. The node is
// in the list. CreateInQueue creates dir and its parents if they are missing.
//
// If the node was created and the list cannot be read, CreateInQueue returns the node together with the error.
func CreateInQueue(ctx context.Context, s *framework.Session, dir, name string, data []byte, opts ...framework.CreateOption) (framework.Node, []string, error) {
	return inner.CreateInQueue(s, ctx, dir, name, data, opts...)
}

// CreateTogether is Session.Create for many concurrent calls, such as those that restore nodes in a new session. While
// two requests of such calls are pending, further ones are collected and sent in one transaction. It has the same
// result as Session.Create, except that the node's Stat may be missing. If the servers refuse one create of a
// transaction, the others are sent by themselves. Only creates of ephemeral nodes without a number and without
// framework.Protected are collected.
func CreateTogether(ctx context.Context, s *framework.Session, path string, data []byte, opts ...framework.CreateOption) (framework.Node, error) {
	return inner.CreateTogether(s, ctx, path, data, opts...)
}

// CreateTwins creates several protected nodes of the session in dir in one transaction, one for each of names. The
// nodes are ephemeral, and sequential unless opts contain framework.Ephemeral. They are returned in the order of names.
// They share one GUID and one czxid, and their sequence numbers are consecutive.
//
// If the reply is lost, CreateTwins looks for the nodes, as framework.Protected does. If another client has deleted
// some of them by then, it deletes the rest and creates all of them again. A node that is deleted later does not affect
// its twins.
//
// A missing dir is created as a persistent node, and its parents as containers, because other clients may not handle a
// directory that servers remove.
//
// The reply to a transaction does not contain its zxid. So CreateTwins reads the czxid from one more node, which the
// same transaction creates, sets and deletes. No client sees that node, but it takes a sequence number.
func CreateTwins(ctx context.Context, s *framework.Session, dir string, names []string, data []byte, opts ...framework.CreateOption) ([]framework.Node, error) {
	return inner.CreateTwins(s, ctx, dir, names, data, opts...)
}

// CreateTwinsInQueue is CreateTwins that also lists dir in the same round trip. The nodes are in the list.
//
// If the nodes were created and the list cannot be read, CreateTwinsInQueue returns the nodes together with the error.
func CreateTwinsInQueue(ctx context.Context, s *framework.Session, dir string, names []string, data []byte, opts ...framework.CreateOption) ([]framework.Node, []string, error) {
	return inner.CreateTwinsInQueue(s, ctx, dir, names, data, opts...)
}

// DeleteTwins deletes ephemeral nodes of this session in one transaction. If some of them are already gone, it deletes
// the others and returns framework.ErrNoNode. If ctx ends first, the rest is done in the background, as with
// framework.Guaranteed.
//
// If a reply was lost, nodes that are gone count as deleted by this call.
func DeleteTwins(ctx context.Context, s *framework.Session, paths []string) error {
	return inner.DeleteTwins(s, ctx, paths)
}

// DeleteAndLook deletes a node of any version, with framework.Guaranteed, and reads another node right behind the
// delete on the session's ordered connection. seen is called with the czxid of that node if it exists when the node at
// path has just been deleted. It is called with 0 if that node does not exist, if the delete was refused, or if one of
// the two was not answered.
//
// seen is called once for each attempt, at least once if the error is nil, and possibly after DeleteAndLook has
// returned. It may run in the receiving goroutine of the connection and must not block.
func DeleteAndLook(ctx context.Context, s *framework.Session, path, other string, seen func(czxid int64)) error {
	return inner.DeleteAndLook(s, ctx, path, other, seen)
}

// Read is one read of a [MultiRead].
type Read = seam.Read

// ReadAnswer is the result of one [Read]. Names are not older than the Node's Stat.
type ReadAnswer = seam.ReadAnswer[framework.Node]

// MultiReadSize returns how many bytes the paths of one [MultiRead] may take, counting 64 more for each [Read]. It is 0
// if the servers do not support the request.
func MultiReadSize(s *framework.Session) int { return inner.MultiReadSize(s) }

// WatchSet watches many nodes of a session with one-shot watches, for one reader. It costs about 60 B for each path. It
// may report a change that has not happened. It does not miss changes, except for events that the servers lose, so
// users compare their data with the servers from time to time. It does not report the end of the session.
type WatchSet = seam.WatchSet[framework.Node]

// WatchNote is one event of a [WatchSet].
type WatchNote = seam.WatchNote

// NewWatchSet returns a set that watches nothing.
func NewWatchSet(s *framework.Session) WatchSet { return inner.NewWatchSet(s) }

// MultiRead reads many nodes in one request, and returns a result for each of reads, in their order. A node that cannot
// be read has an error of its own, such as framework.ErrNoNode, and does not affect the others. No watches are set. The
// results may be of different moments.
//
// An error means that none of the nodes was read. It is framework.ErrUnsupported if the servers do not support the
// request, and framework.ErrReplyRefused if all results together are longer than the client accepts. In both cases the
// nodes can still be read one by one.
func MultiRead(ctx context.Context, s *framework.Session, reads []Read) ([]ReadAnswer, error) {
	return inner.MultiRead(s, ctx, reads)
}

// WatchNodes is framework.Session.WatchData for several nodes, in one write. A server looks at them in the order of paths. The watch of a node that
// does not exist is nil.
//
// If nodes is nil, one request has set all watches, and the nodes were not read. The servers check no ACL then, and some send no events of a node
// that the client may not read. A caller who waits for long has to call WatchNodes again, which reads the nodes as their watches are set now.
func WatchNodes(ctx context.Context, s *framework.Session, paths []string) (watches []*framework.Watch, nodes []framework.Node, err error) {
	return inner.WatchNodes(s, ctx, paths)
}

// Rebuilt tells the log that a node stands again that an earlier session had.
func Rebuilt(s *framework.Session, recipe, path string) { inner.Rebuilt(s, recipe, path) }

// Connection returns the number of the session's latest connection, counted from 1. If it is the same before and after a read, the read was
// answered on that connection.
func Connection(s *framework.Session) int { return inner.Connection(s) }

// FiredOn returns the number of the connection on which a server sent the event of a watch. It is 0 if no server did: the client found out in
// another way that it had missed the event, or the session is over. It may be called once the event has been received.
//
// On one connection a server sends events in the order of the transactions, and an answer behind an event shows a state that is not older.
// Events that a client catches up with after a reconnect have no order.
func FiredOn(w *framework.Watch) int { return inner.FiredOn(w) }
