package framework

import (
	"fmt"
	"time"
)

// Reaction is how a recipe responds to a change of the connection's state.
type Reaction int

// The reactions.
const (
	// Hold continues while the session may live. A [Claim] is kept until TrustedUntil, or until Policy.Grace has passed
	// if that is sooner. For SUSPENDED only.
	Hold Reaction = iota + 1
	// Cancel ends the work at once: contexts end with ErrSuspended or ErrSessionLost as their cause. The engine starts
	// the work again when the connection is back, in the same session if it lived.
	Cancel
	// Rebuild starts the work again in the next session. For LOST only.
	Rebuild
	// Stop ends the recipe with ErrSessionLost. For LOST only.
	Stop
	// Serve also starts the work in a session of a read-only server. For READ-ONLY only.
	Serve
)

var reactionNames = map[Reaction]string{Hold: "Hold", Cancel: "Cancel", Rebuild: "Rebuild", Stop: "Stop", Serve: "Serve"}

// String returns the reaction's name.
func (r Reaction) String() string {
	if n, ok := reactionNames[r]; ok {
		return n
	}
	return fmt.Sprintf("Reaction(%d)", int(r))
}

// Policy is how a recipe responds to SUSPENDED, LOST and READ-ONLY. Every recipe declares one; [Client.Run] and
// [Session.Context] enforce it.
type Policy struct {
	OnSuspended Reaction // Hold or Cancel
	OnLost      Reaction // Rebuild or Stop
	// OnReadOnly says whether the recipe is started in a session of a read-only server: see [Config.ReadOnly]. With
	// Serve it is. It can read, what it reads may be old, and its writes return [ErrNotReadOnly]. Serve requires
	// Rebuild, because such a session ends as soon as a full server is found. With 0, the recipe waits for a session
	// that accepts writes.
	// Defaults to 0.
	OnReadOnly Reaction
	// Grace limits Hold, counted from SUSPENDED. 0 means no further limit.
	Grace time.Duration
}

// Validate returns an error if the policy is not valid.
func (p Policy) Validate() error {
	switch {
	case p.OnSuspended != Hold && p.OnSuspended != Cancel:
		return fmt.Errorf("policy: OnSuspended must be Hold or Cancel, not %v", p.OnSuspended)
	case p.OnLost != Rebuild && p.OnLost != Stop:
		return fmt.Errorf("policy: OnLost must be Rebuild or Stop, not %v", p.OnLost)
	case p.OnReadOnly != 0 && p.OnReadOnly != Serve:
		return fmt.Errorf("policy: OnReadOnly must be Serve or 0, not %v", p.OnReadOnly)
	case p.OnReadOnly == Serve && p.OnLost != Rebuild:
		return fmt.Errorf("policy: OnReadOnly Serve requires OnLost Rebuild")
	case p.Grace < 0:
		return fmt.Errorf("policy: Grace must not be negative, but is %v", p.Grace)
	case p.Grace > 0 && p.OnSuspended != Hold:
		return fmt.Errorf("policy: Grace requires Hold")
	}
	return nil
}

// String returns the policy in the form of the documentation's table.
func (p Policy) String() string {
	s := fmt.Sprintf("SUSPENDED: %v, LOST: %v", p.OnSuspended, p.OnLost)
	if p.OnReadOnly != 0 {
		s += fmt.Sprintf(", READ-ONLY: %v", p.OnReadOnly)
	}
	if p.Grace > 0 {
		s += fmt.Sprintf(", grace %v", p.Grace)
	}
	return s
}
