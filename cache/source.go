package cache

import (
	"context"
	"errors"
	"time"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/recipekit"
)

// source reads nodes in one session in such a way that their later changes are noted. Reads are called from several
// goroutines, everything else from the pass's goroutine.
type source interface {
	// look returns the Stat of a node, get the node, and list the names of its children and its Stat. Changes after
	// their replies are noted.
	look(ctx context.Context, path string) (framework.Stat, bool, error)
	get(ctx context.Context, path string) (framework.Node, error)
	list(ctx context.Context, path string) ([]string, framework.Stat, error)

	// size returns how many bytes the paths of one read of many nodes may take, counting 64 more for each path; 0 if
	// the servers do not support such reads. read does such a read. Changes after its reply are noted: of the nodes,
	// and of their children, whether listed or not.
	size() int
	read(ctx context.Context, reads []recipekit.Read) ([]recipekit.ReadAnswer, error)

	// ready holds a token when there may be notes.
	ready() <-chan struct{}
	// take returns the queued notes in order. They include everything that happened before any reply of the session. An
	// error means that no more notes follow.
	take() ([]note, error)
	// covers reports whether a change of an existing node, or of its list, would be noted.
	covers(w work) bool
	// unfollow makes covers report false for a node until it is read again.
	unfollow(path string)
	// everywhere reports whether changes are noted in the whole tree, and the servers can be asked what has changed in
	// it without harm to the source.
	everywhere() bool
	// settled returns a transaction up to which everything is among the notes that were taken or can be; 0 if none is
	// known.
	settled() int64
	// listening reports whether changes are noted now.
	listening() bool
	// resume is called in its own goroutine when the connection is back in the same session. When it returns, changes
	// made meanwhile can be caught up with, or there is a note that everything has to be checked.
	resume(ctx context.Context) error
	// close ends the source, which otherwise runs until the session ends.
	close()
}

// syncSurely repeats a sync until a server has answered it or the session has ended. Other requests with replies that
// are too long may break its connection repeatedly.
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

// note says that a node, or the list of its children, must be read again.
type note struct {
	path string
	kind noteKind
}

type noteKind int8

const (
	nodeTouched noteKind = iota // its data was set, or more
	nodeCreated                 // it was created; notes for the nodes below it follow
	nodeDeleted                 // it was deleted; another one may have replaced it
	nodeGone                    // it was deleted at some time, and is no longer followed
	kidsTouched                 // a child was created or deleted
	everything                  // any node may have changed
)
