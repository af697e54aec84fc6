package framework

import "time"

// State is the state of a client's connection. The package documentation has a diagram.
type State int

// The connection states.
const (
	// Connecting is the state before the first session.
	Connecting State = iota
	// Connected means that a new session has begun.
	Connected
	// Suspended means that the connection is broken. Only the servers know whether the session still lives.
	Suspended
	// Reconnected means that the suspended session continues with its ephemeral nodes and watches. If Previous is not
	// Suspended, the session has moved to another connection without an interruption: see Client.Reconnect.
	Reconnected
	// Lost means that the session has ended. Its ephemeral nodes and watches are gone or will be. Connected follows
	// when there is a new session.
	Lost
	// Closed means that the client was closed. No other state follows.
	Closed
	// ReadOnly means that a session has begun on a server that serves only reads, because it has lost contact with the
	// majority of its ensemble. This state requires [Config.ReadOnly]. Reads may return old data. Writes return
	// [ErrNotReadOnly]. When a full server is found, Suspended, Lost and Connected follow.
	ReadOnly
)

var stateNames = [...]string{"Connecting", "Connected", "Suspended", "Reconnected", "Lost", "Closed", "ReadOnly"}

// String returns the state's name.
func (s State) String() string {
	if s < 0 || int(s) >= len(stateNames) {
		return "State(?)"
	}
	return stateNames[s]
}

// Connected reports whether operations of every kind can be sent in this state: Connected or Reconnected.
func (s State) Connected() bool { return s == Connected || s == Reconnected }

// CanRead reports whether reads can be sent in this state: Connected, Reconnected or ReadOnly.
func (s State) CanRead() bool { return s.Connected() || s == ReadOnly }

// StateChange is a change of a client's connection state.
type StateChange struct {
	State    State // the new state
	Previous State // the state before
	// Epoch is the number of the client's session, counted from 1. It is 0 before the first attempt to open one.
	Epoch uint64
	// SessionID is the session's id; 0 before the first session, and in Closed.
	SessionID int64
	// Server is the address of the current or last server; empty if there was none yet, and in Closed.
	Server string
	// Timeout is the session timeout that the server granted; 0 before the first session, and in Closed.
	Timeout time.Duration
	// Time is when the client noticed the change, with a monotonic reading.
	Time time.Time
	// Cause is the reason of Suspended, Lost and Closed. It is nil for other states.
	Cause error
}
