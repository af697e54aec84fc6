package framework

import "time"

// State is the state of a client's connection. See the package documentation for the picture.
type State int

// The connection states.
const (
	// Connecting is the state before the first session.
	Connecting State = iota
	// Connected says that a new session has begun.
	Connected
	// Suspended says that the connection is broken. The session may live or not: only the servers know.
	Suspended
	// Reconnected says that the session that was suspended goes on; its ephemeral nodes and watches are in place. If Previous is not Suspended, the
	// session has moved to another connection as planned, and nothing was interrupted: see Client.Reconnect.
	Reconnected
	// Lost says that the session is over. Its ephemeral nodes and watches are gone, or will be. Connected follows
	// when there is a new one.
	Lost
	// Closed says that the client was closed. No other state follows.
	Closed
	// ReadOnly says that a session has begun on a server that serves only reads, because it is not in touch with a majority of the
	// ensemble. A client gets there only with [Config.ReadOnly]. Reads are served, and may show an old state. Writes return
	// [ErrNotReadOnly]. Suspended and Lost follow, and then Connected as soon as a server is found that serves writes too.
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

// Connected reports whether operations of every kind can be sent in this state.
func (s State) Connected() bool { return s == Connected || s == Reconnected }

// CanRead reports whether reads can be sent in this state: it is Connected, Reconnected or ReadOnly.
func (s State) CanRead() bool { return s.Connected() || s == ReadOnly }

// StateChange is one step of a client's connection state.
type StateChange struct {
	State    State // from now on
	Previous State // until now
	// Epoch counts the client's sessions, from 1. It is 0 before the first attempt to get one.
	Epoch uint64
	// SessionID is the server's number of the session, 0 while there is none yet.
	SessionID int64
	// Server is the address of the server that is or was connected, empty if there was none yet.
	Server string
	// Timeout is the session timeout that the server granted, 0 while there is no session yet.
	Timeout time.Duration
	// Time is when the client saw it, with a monotonic reading.
	Time time.Time
	// Cause says why, for Suspended, Lost and Closed; it is nil otherwise.
	Cause error
}
