package leader

import (
	"errors"

	"github.com/docent-zk/docent/internal/contend"
)

// What a term's context ends with, besides the causes of package framework.
var (
	// ErrResigned says that the leader function has returned, or that the term was given up with Resign or ResignTo.
	ErrResigned = contend.ErrReleased
	// ErrDeleted says that somebody else has deleted the leader's node; or the servers have, at the end of its session, and
	// that news came first.
	ErrDeleted = contend.ErrDeleted
)

// Errors of this package, besides those of package framework.
var (
	// ErrNotLeader is returned by Term.Multi when the term is over, and nothing was applied; and by Term.ResignTo.
	ErrNotLeader = contend.ErrNotHeld
	// ErrNoLeader is returned by Election.Leader when nobody stands in the election.
	ErrNoLeader = errors.New("nobody leads")
	// ErrNoParticipant is returned by Term.ResignTo when nobody in the election has that id.
	ErrNoParticipant = errors.New("no participant has this id")
	// ErrAmbiguousID is returned by Term.ResignTo when several participants have that id.
	ErrAmbiguousID = errors.New("several participants have this id")
	// ErrOwnID is returned by Term.ResignTo when the id is that of the leader itself.
	ErrOwnID = errors.New("this is the id of the leader itself")
)
