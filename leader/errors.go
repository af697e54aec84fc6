package leader

import (
	"errors"

	"github.com/docent-zk/docent/internal/contend"
)

// Causes with which a term's context ends, besides those of package framework.
var (
	// ErrResigned means that the leader function has returned, or that Resign or ResignTo was called.
	ErrResigned = contend.ErrReleased
	// ErrDeleted means that another client has deleted the leader's node. It is also the cause when the servers have
	// deleted the node because the session ended, and the event arrived before that news.
	ErrDeleted = contend.ErrDeleted
)

// Errors of this package, besides those of package framework.
var (
	// ErrNotLeader is returned by Term.Multi and Term.ResignTo when the term has ended. Nothing was applied.
	ErrNotLeader = contend.ErrNotHeld
	// ErrNoLeader is returned by Election.Leader when the election has no participants.
	ErrNoLeader = errors.New("there is no leader")
	// ErrNoParticipant is returned by Term.ResignTo when no participant has the id.
	ErrNoParticipant = errors.New("no participant has this id")
	// ErrAmbiguousID is returned by Term.ResignTo when several participants have the id.
	ErrAmbiguousID = errors.New("several participants have this id")
	// ErrTokenRange is returned by Campaign and Run when the ensemble's transaction ids have reached 2^55, the limit of
	// tokens. That is after 8 million changes of the ensemble's leader.
	ErrTokenRange = contend.ErrTokenRange
	// ErrOwnID is returned by Term.ResignTo when the id is the leader's own.
	ErrOwnID = errors.New("the id is the leader's own")
)
