package seam

import (
	"context"
	"io"

	"github.com/docent-zk/docent/internal/telemetry"
)

// Functions are what framework does for docent's own recipes only. internal/recipekit documents them.
type Functions[Client, Session, Node, Watch, Option any] struct {
	Telemetry func(Client) *telemetry.Client
	Random    func(Client) io.Reader
	Attached  func(s Session, key any, create func() any) any

	CreateInQueue      func(s Session, ctx context.Context, dir, name string, data []byte, opts ...Option) (Node, []string, error)
	CreateTogether     func(s Session, ctx context.Context, path string, data []byte, opts ...Option) (Node, error)
	CreateTwins        func(s Session, ctx context.Context, dir string, names []string, data []byte, opts ...Option) ([]Node, error)
	CreateTwinsInQueue func(s Session, ctx context.Context, dir string, names []string, data []byte, opts ...Option) ([]Node, []string, error)
	DeleteTwins        func(s Session, ctx context.Context, paths []string) error
	DeleteAndLook      func(s Session, ctx context.Context, path, other string, seen func(czxid int64)) error

	MultiReadSize func(s Session) int
	MultiRead     func(s Session, ctx context.Context, reads []Read) ([]ReadAnswer[Node], error)

	WatchNodes func(s Session, ctx context.Context, paths []string) (watches []Watch, nodes []Node, err error)
	FiredOn    func(Watch) int
	Connection func(s Session) int

	NewWatchSet func(s Session) WatchSet[Node]
	Rebuilt     func(s Session, recipe, path string)
}

// Read is one read of a MultiRead.
type Read struct {
	Path string
	List bool // the names of the node's children are read too
}

// ReadAnswer is the answer to one Read.
type ReadAnswer[Node any] struct {
	Node  Node
	Names []string // of the children; for a Read with List
	Err   error    // why this node could not be read
}

// WatchSet is what recipekit.WatchSet is.
type WatchSet[Node any] interface {
	// Get reads a node and watches it. Exists reads its Stat and watches it; if there is none, it returns framework.ErrNoNode, and watches
	// for the node if it is awaited. List lists the names of its children, with its Stat, and watches the list.
	Get(ctx context.Context, path string) (Node, error)
	Exists(ctx context.Context, path string, awaited bool) (Node, error)
	List(ctx context.Context, path string) ([]string, Node, error)

	// Size is what MultiReadSize is, for Read; 0 if the servers cannot do that.
	Size() int
	// Read is MultiRead, and watches each of the nodes and its list of children, whether that is read or not. In a session that has had no
	// answer yet, everything is told as changed at once.
	Read(ctx context.Context, reads []Read) ([]ReadAnswer[Node], error)

	// Ready holds a token when there may be something to Take. Take returns what has been told, in order. What was told of a change is there
	// before any read of the session returns that shows the change.
	Ready() <-chan struct{}
	Take() []WatchNote

	// Armed reports whether a node, or the list of its children, is watched. Forget stops watching a node, and not its list.
	Armed(path string, list bool) bool
	Forget(path string)
	// Close ends the set.
	Close()
}

// WatchNote is one event of a WatchSet. The watch is used up.
type WatchNote struct {
	Path string
	List bool // a child was created or deleted
	Gone bool // the node was deleted
}

// provided are the Functions of framework.
var provided any

// Provide sets the functions. Framework calls it once, when it is initialized.
func Provide[C, S, N, W, O any](f Functions[C, S, N, W, O]) { provided = f }

// Take returns the functions that framework has provided. It panics if their types are others.
func Take[C, S, N, W, O any]() Functions[C, S, N, W, O] { return provided.(Functions[C, S, N, W, O]) }
