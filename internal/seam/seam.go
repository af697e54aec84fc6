package seam

import (
	"context"
	"io"

	"github.com/docent-zk/docent/internal/telemetry"
)

// Functions are what framework does for docent's own recipes only. internal/recipekit documents them.
type Functions[Client, Session, Node, Option any] struct {
	Telemetry func(Client) *telemetry.Client
	Random    func(Client) io.Reader
	Attached  func(s Session, key any, create func() any) any

	CreateInQueue      func(s Session, ctx context.Context, dir, name string, data []byte, opts ...Option) (Node, []string, error)
	CreateTwins        func(s Session, ctx context.Context, dir string, names []string, data []byte, opts ...Option) ([]Node, error)
	CreateTwinsInQueue func(s Session, ctx context.Context, dir string, names []string, data []byte, opts ...Option) ([]Node, []string, error)
	DeleteTwins        func(s Session, ctx context.Context, paths []string) error

	MultiReadSize func(s Session) int
	MultiRead     func(s Session, ctx context.Context, reads []Read) ([]ReadAnswer[Node], error)
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

// provided are the Functions of framework.
var provided any

// Provide sets the functions. Framework calls it once, when it is initialized.
func Provide[C, S, N, O any](f Functions[C, S, N, O]) { provided = f }

// Take returns the functions that framework has provided. It panics if their types are others.
func Take[C, S, N, O any]() Functions[C, S, N, O] { return provided.(Functions[C, S, N, O]) }
