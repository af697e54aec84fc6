package debugpage

import "time"

// Report is everything that the page shows, as JSON. Times are UTC; one that is not known is left out.
type Report struct {
	// Time is the moment that it is about.
	Time time.Time `json:"time"`
	// Ready says that nothing is wrong with any of the clients, Live that nothing is that a restart would cure: see package health.
	Ready bool `json:"ready"`
	Live  bool `json:"live"` // see Ready
	// Clients are in the order in which they were given to Handler.
	Clients []Client `json:"clients"`
	// Queue is the one that was asked for, with ?queue=PATH&client=NUMBER.
	Queue *Queue `json:"queue,omitempty"`
}

// Client is one client: framework.Info, framework.Health, its history and its recipes.
type Client struct {
	// Number counts the clients from 1.
	Number int `json:"number"`
	// Name is what Options.Names says.
	Name string `json:"name"`
	// State is the state of the connection, in the words of framework.State, since Since, because of Cause.
	State string    `json:"state"`
	Since time.Time `json:"since,omitzero"`  // see State
	Cause string    `json:"cause,omitempty"` // see State
	// Error says why there is no connection.
	Error string `json:"error,omitempty"`
	// Epoch counts the client's sessions.
	Epoch uint64 `json:"epoch"`
	// Session is the id of the session, or of the last one while there is none: "0x" and hexadecimal digits.
	Session string `json:"session,omitempty"`
	// Server is the address of the server that is or was connected. Servers are those that the client chooses from.
	Server  string   `json:"server,omitempty"`
	Servers []string `json:"servers,omitempty"` // see Server
	// TimeoutMillis is the session timeout that was granted, in ms.
	TimeoutMillis int64 `json:"timeoutMillis"`
	// LastAnswer is when the latest of all answered requests was sent.
	LastAnswer time.Time `json:"lastAnswer,omitzero"`
	// TrustedUntil is until when what the session holds is certain, without another answer, and TrustedMillis how long that is from
	// Time on, in ms: 0 if it is over.
	TrustedUntil  time.Time `json:"trustedUntil,omitzero"`
	TrustedMillis int64     `json:"trustedMillis"` // see TrustedUntil
	// Namespace is the path below which everything of the client happens.
	Namespace string `json:"namespace,omitempty"`
	// Ready says that there are no Reasons but notices, Live that none of them is one for a restart.
	Ready bool `json:"ready"`
	Live  bool `json:"live"` // see Ready
	// Reasons say what is wrong.
	Reasons []Reason `json:"reasons,omitempty"`
	// Lacks are the kinds of requests that the servers do not know.
	Lacks []Lack `json:"lacks,omitempty"`
	// Settings are the optional parts of the configuration that are in use, such as TLS.
	Settings []Setting `json:"settings,omitempty"`
	// Counts are how often something has happened since the client was started.
	Counts Counts `json:"counts"`
	// History is the latest states of the connection, oldest first, the present one last.
	History []Change `json:"history"`
	// Recipes are what runs on the client, and what is held, oldest first.
	Recipes []Recipe `json:"recipes"`
}

// Reason is a framework.HealthReason.
type Reason struct {
	// Text is a sentence without a full stop.
	Text string `json:"text"`
	// Recipe and Path name the recipe that it is about. They are left out if it is about the client.
	Recipe string `json:"recipe,omitempty"`
	Path   string `json:"path,omitempty"` // see Recipe
	// Since is when it began.
	Since time.Time `json:"since"`
	// Notice says that it does not count against Ready.
	Notice bool `json:"notice,omitempty"`
	// Restart says that a restart of the process would cure it.
	Restart bool `json:"restart,omitempty"`
}

// Lack is a framework.Lack.
type Lack struct {
	// Request is what ZooKeeper calls it.
	Request string `json:"request"`
	// Since is when the client learnt it last.
	Since time.Time `json:"since"`
	// Reason says how it learnt it, Instead what it does without the request.
	Reason  string `json:"reason"`
	Instead string `json:"instead"` // see Reason
}

// Setting is a framework.Setting.
type Setting struct {
	// Name says what it is, State describes it, and Error says why it does not work.
	Name  string `json:"name"`
	State string `json:"state"`           // see Name
	Error string `json:"error,omitempty"` // see Name
}

// Counts are framework.Counts.
type Counts struct {
	Sessions    int64 `json:"sessions"`    // that have begun
	Suspensions int64 `json:"suspensions"` // connections that broke during a session
	Losses      int64 `json:"losses"`      // sessions that were lost
	Dials       int64 `json:"dials"`       // attempts to reach a server
	FailedDials int64 `json:"failedDials"` // attempts that have failed
}

// Change is one change of a client's state.
type Change struct {
	// State is the state from then on.
	State string `json:"state"`
	// Time is when it began.
	Time time.Time `json:"time"`
	// Epoch, Session and Server are those of that state.
	Epoch   uint64 `json:"epoch"`
	Session string `json:"session,omitempty"` // see Epoch
	Server  string `json:"server,omitempty"`  // see Epoch
	// Cause is why the state has changed, empty for those that need no reason.
	Cause string `json:"cause,omitempty"`
}

// Recipe is a framework.LiveRecipe.
type Recipe struct {
	// Name says what it is: "lock", "leader", "cache".
	Name string `json:"name"`
	// Path is what it is about, below Namespace.
	Path string `json:"path"`
	// Namespace is that of the client that runs it.
	Namespace string `json:"namespace"`
	// Held says that it is something that is held, and not work that runs.
	Held bool `json:"held"`
	// Started is when it began, Epoch the session that it was last started in, and Starts how often it was.
	Started time.Time `json:"started"`
	Epoch   uint64    `json:"epoch"`  // see Started
	Starts  int       `json:"starts"` // see Started
	// OnSuspended and OnLost are its policy, in the words of framework.Reaction, and GraceMillis the limit of Hold, in ms, 0 if it has none.
	OnSuspended string `json:"onSuspended"`
	OnLost      string `json:"onLost"`      // see OnSuspended
	GraceMillis int64  `json:"graceMillis"` // see OnSuspended
	// State is the state that the recipe reports. Since is when it began.
	State string    `json:"state"`
	Since time.Time `json:"since"` // see State
	// Error says what is wrong with the recipe, and Unwell since when. Both are missing if the recipe is well.
	Error  string    `json:"error,omitempty"`
	Unwell time.Time `json:"unwell,omitzero"` // see Error
	// Attrs are more to know, in the order to show it.
	Attrs []Attr `json:"attrs,omitempty"`
	// Problems are nodes that it cannot use, such as skipped and ejected instances. At most 20 of a kind are listed.
	Problems []Problem `json:"problems,omitempty"`
	// Queue is the directory in which it stands, as ?queue takes it; empty if it is in none.
	Queue string `json:"queue,omitempty"`
}

// Attr is one thing to know of a recipe.
type Attr struct {
	Key   string `json:"key"`   // what it is
	Value string `json:"value"` // in text, numbers too
}

// Problem is a node that a recipe cannot use.
type Problem struct {
	// Kind says what has become of it: "refused nodes", "skipped nodes" or "ejected instances".
	Kind string `json:"kind"`
	// Name is the path, or the name, of the node, and Reason says why.
	Name   string `json:"name"`
	Reason string `json:"reason"` // see Name
}

// Queue is a directory in which clients compete, as it was read at Time.
type Queue struct {
	// Path is the directory, below no namespace.
	Path string `json:"path"`
	// Client is the number of the client that has read it.
	Client int `json:"client"`
	// Time is when it was read. It is missing if it was not.
	Time time.Time `json:"time,omitzero"`
	// Error says why there are no Places, or not all.
	Error string `json:"error,omitempty"`
	// Total is how many places there are, Places the first 50 of them.
	Total  int     `json:"total"`
	Places []Place `json:"places"` // see Total
	// Others is how many nodes there are that do not compete.
	Others int `json:"others,omitempty"`
}

// Place is one place of a queue.
type Place struct {
	// Position counts from 1.
	Position int `json:"position"`
	// Role is "holds", "waits", or "permit" for one of a semaphore's nodes, of which as many hold as its limit says.
	Role string `json:"role"`
	// WaitsFor is the Position of the place whose end it waits for, 0 if it holds.
	WaitsFor int `json:"waitsFor,omitempty"`
	// ID is what the node's data says, shortened, and quoted if it is not plain text.
	ID string `json:"id"`
	// Node is the node's name, the first one's if the place has several.
	Node string `json:"node"`
	// Session is the session that owns it, and Owner the name of the client if that is one on this page.
	Session string `json:"session"`
	Owner   string `json:"owner,omitempty"` // see Session
	// Token is its fencing token once it holds, without hand-overs inside a process: 256 times the czxid of the node.
	Token int64 `json:"token,string"`
	// Since is when the node was created, by the clock of the servers.
	Since time.Time `json:"since"`
}
