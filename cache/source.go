package cache

import (
	"context"
	"errors"
	"time"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/recipekit"
)

// source reads nodes of one session in such a way that their later changes become notes. Its reads are called from
// several goroutines, everything else from the one that owns the pass.
type source interface {
	// look returns the Stat of a node, get the node, list the names of its children and its Stat. Whatever changes behind
	// their answers becomes a note.
	look(ctx context.Context, path string) (framework.Stat, bool, error)
	get(ctx context.Context, path string) (framework.Node, error)
	list(ctx context.Context, path string) ([]string, framework.Stat, error)

	// size is how many bytes the paths of one read of many nodes may take, with 64 more for each; 0 if the servers cannot do that. read
	// does it. Whatever changes behind its answer becomes a note: of the nodes, and of their children, listed or not.
	size() int
	read(ctx context.Context, reads []recipekit.Read) ([]recipekit.ReadAnswer, error)

	// ready holds a token when there may be notes.
	ready() <-chan struct{}
	// take returns the notes that there are, in order: of everything that happened before any answer that the session has had.
	// An error says that there will be no more of them.
	take() ([]note, error)
	// covers reports whether a change of a node that exists, or of its list, would become a note.
	covers(w work) bool
	// unfollow makes covers report false for a node until it is read again.
	unfollow(path string)
	// everywhere reports whether what changes becomes a note in all of the tree, and the servers can be asked what has changed in it
	// without harm to the source.
	everywhere() bool
	// settled returns a transaction up to which everything that happened is among the notes that were taken or can be; 0 if
	// that is not known.
	settled() int64
	// listening reports whether what changes now becomes a note.
	listening() bool
	// resume is called when the connection is back in the same session, in a goroutine of its own. When it returns, the
	// changes that were made meanwhile can be caught up with, or there is a note that everything has to be looked at.
	resume(ctx context.Context) error
	// close ends what runs in the source, which runs until then or until the session ends.
	close()
}

// syncSurely repeats a sync until a server has answered it or the session is over. Others may break the connection that it is
// on, again and again, with requests whose answers are too long.
func syncSurely(ctx context.Context, s *framework.Session, path string) error {
	for {
		err := s.Sync(ctx, path)
		if err == nil || ctx.Err() != nil || errors.Is(err, framework.ErrSessionLost) || errors.Is(err, framework.ErrClosed) {
			return err
		}
		select {
		case <-time.After(minPatience):
		case <-ctx.Done():
		}
	}
}

// note says that a node, or its children, must be read again.
type note struct {
	path string
	kind noteKind
}

type noteKind int8

const (
	nodeTouched noteKind = iota // its data was set, or more
	nodeCreated                 // it was created; those below it will be noted
	nodeDeleted                 // it was deleted; another one may have taken its place
	nodeGone                    // it was deleted at some time, and is not followed any more
	kidsTouched                 // a child was created or deleted
	everything                  // anything may have happened to anybody
)
