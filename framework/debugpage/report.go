package debugpage

import "time"

// Report is the content of the page as JSON. Times are UTC. Unknown times are left out.
type Report struct {
	// Time is when the report was made.
	Time time.Time `json:"time"`
	// Ready reports whether all clients are well. Live reports whether none of them needs a restart: see package health.
	Ready bool `json:"ready"`
	Live  bool `json:"live"` // see Ready
	// Clients are in the order in which they were passed to Handler.
	Clients []Client `json:"clients"`
	// Queue is the queue that was requested with ?queue=PATH&client=NUMBER.
	Queue *Queue `json:"queue,omitempty"`
}

// Client is one client: framework.Info, framework.Health, its history and its recipes.
type Client struct {
	// Number counts the clients from 1.
	Number int `json:"number"`
	// Name is the name from Options.Names.
	Name string `json:"name"`
	// State is the state of the connection, in the words of framework.State. Since is when it began, and Cause why.
	State string    `json:"state"`
	Since time.Time `json:"since,omitzero"`  // see State
	Cause string    `json:"cause,omitempty"` // see State
	// Error says why there is no connection.
	Error string `json:"error,omitempty"`
	// Epoch counts the client's sessions.
	Epoch uint64 `json:"epoch"`
	// Session is the id of the session, or of the last one while there is none: "0x" and hexadecimal digits.
	Session string `json:"session,omitempty"`
	// Server is the address of the present or last server. Servers is the list that the client chooses from.
	Server  string   `json:"server,omitempty"`
	Servers []string `json:"servers,omitempty"` // see Server
	// TimeoutMillis is the session timeout that was granted, in ms.
	TimeoutMillis int64 `json:"timeoutMillis"`
	// LastAnswer is when the latest answered request was sent.
	LastAnswer time.Time `json:"lastAnswer,omitzero"`
	// TrustedUntil is the time until which the session is trusted without a further reply. TrustedMillis is how long that is from
	// Time on, in ms: 0 if it has passed.
	TrustedUntil  time.Time `json:"trustedUntil,omitzero"`
	TrustedMillis int64     `json:"trustedMillis"` // see TrustedUntil
	// Namespace is the path below which the client works.
	Namespace string `json:"namespace,omitempty"`
	// Ready reports whether there are no Reasons except notices. Live reports whether none of the Reasons calls for a restart.
	Ready bool `json:"ready"`
	Live  bool `json:"live"` // see Ready
	// Reasons are the client's problems.
	Reasons []Reason `json:"reasons,omitempty"`
	// Lacks are the kinds of requests that the servers do not know.
	Lacks []Lack `json:"lacks,omitempty"`
	// Settings are the optional parts of the configuration that are in use, such as TLS.
	Settings []Setting `json:"settings,omitempty"`
	// Counts are totals since the client was started.
	Counts Counts `json:"counts"`
	// History has the latest states of the connection, oldest first. The present state is the last one.
	History []Change `json:"history"`
	// Recipes are the recipes that run on the client, and the claims that it holds, oldest first.
	Recipes []Recipe `json:"recipes"`
}

// Reason is a framework.HealthReason.
type Reason struct {
	// Text is a sentence without a full stop.
	Text string `json:"text"`
	// Recipe and Path name the recipe with the problem. They are left out if the problem concerns the client.
	Recipe string `json:"recipe,omitempty"`
	Path   string `json:"path,omitempty"` // see Recipe
	// Since is when the problem began.
	Since time.Time `json:"since"`
	// Notice reports whether the reason does not count against Ready.
	Notice bool `json:"notice,omitempty"`
	// Restart reports whether a restart of the process would cure the problem.
	Restart bool `json:"restart,omitempty"`
}

// Lack is a framework.Lack.
type Lack struct {
	// Request is ZooKeeper's name of the request.
	Request string `json:"request"`
	// Since is when the client last found that the servers do not know the request.
	Since time.Time `json:"since"`
	// Reason says how the client found this. Instead says what it does without the request.
	Reason  string `json:"reason"`
	Instead string `json:"instead"` // see Reason
}

// Setting is a framework.Setting.
type Setting struct {
	// Name is the name of the setting. State describes it. Error says why it does not work.
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
	// Time is when the state began.
	Time time.Time `json:"time"`
	// Epoch, Session and Server belong to that state.
	Epoch   uint64 `json:"epoch"`
	Session string `json:"session,omitempty"` // see Epoch
	Server  string `json:"server,omitempty"`  // see Epoch
	// Cause is why the state has changed. It is empty if the change needs no reason.
	Cause string `json:"cause,omitempty"`
}

// Recipe is a framework.LiveRecipe.
type Recipe struct {
	// Name is the kind of the recipe: "lock", "leader", "cache".
	Name string `json:"name"`
	// Path is the path of the recipe, below Namespace.
	Path string `json:"path"`
	// Namespace is the namespace of the client that runs the recipe.
	Namespace string `json:"namespace"`
	// Held reports whether this is a claim that is held, and not a running recipe.
	Held bool `json:"held"`
	// Started is when the recipe began. Epoch is the session in which it was last started, and Starts how often it was started.
	Started time.Time `json:"started"`
	Epoch   uint64    `json:"epoch"`  // see Started
	Starts  int       `json:"starts"` // see Started
	// OnSuspended and OnLost are the policy, in the words of framework.Reaction. GraceMillis is the limit of Hold in ms, 0 for no limit.
	OnSuspended string `json:"onSuspended"`
	OnLost      string `json:"onLost"`      // see OnSuspended
	GraceMillis int64  `json:"graceMillis"` // see OnSuspended
	// State is the state that the recipe reports. Since is when it began.
	State string    `json:"state"`
	Since time.Time `json:"since"` // see State
	// Error says what is wrong with the recipe, and Unwell since when. Both are missing if the recipe is well.
	Error  string    `json:"error,omitempty"`
	Unwell time.Time `json:"unwell,omitzero"` // see Error
	// Attrs are further details, in the order in which to show them.
	Attrs []Attr `json:"attrs,omitempty"`
	// Problems are nodes that the recipe cannot use, such as skipped and ejected instances. At most 20 of a kind are listed.
	Problems []Problem `json:"problems,omitempty"`
	// Queue is the directory in which the recipe queues, as the parameter ?queue expects it. It is empty if the recipe does not queue.
	Queue string `json:"queue,omitempty"`
}

// Attr is a detail of a recipe.
type Attr struct {
	Key   string `json:"key"`   // the name of the detail
	Value string `json:"value"` // as text, even if it is a number
}

// Problem is a node that a recipe cannot use.
type Problem struct {
	// Kind is the kind of the problem: "refused nodes", "skipped nodes" or "ejected instances".
	Kind string `json:"kind"`
	// Name is the path or the name of the node. Reason says what is wrong with it.
	Name   string `json:"name"`
	Reason string `json:"reason"` // see Name
}

// Queue is a directory in which clients compete, as it was read at Time.
type Queue struct {
	// Path is the path of the directory, including the namespace.
	Path string `json:"path"`
	// Client is the number of the client that has read the queue.
	Client int `json:"client"`
	// Time is when the queue was read. It is missing if the queue was not read.
	Time time.Time `json:"time,omitzero"`
	// Error says why Places is empty or incomplete.
	Error string `json:"error,omitempty"`
	// Total is the number of places. Places has the first 50 of them.
	Total  int     `json:"total"`
	Places []Place `json:"places"` // see Total
	// Others is the number of nodes that do not compete.
	Others int `json:"others,omitempty"`
}

// Place is one place of a queue.
type Place struct {
	// Position counts from 1.
	Position int `json:"position"`
	// Role is "holds", "waits" or "permit". A permit is a node of a semaphore; as many of them hold as the limit allows.
	Role string `json:"role"`
	// WaitsFor is the Position of the place that this one waits for, 0 if it holds.
	WaitsFor int `json:"waitsFor,omitempty"`
	// ID is the node's data, shortened, and quoted if it is not plain text.
	ID string `json:"id"`
	// Node is the name of the node, or of the first node if the place has several.
	Node string `json:"node"`
	// Session is the session that owns the node. Owner is the name of the session's client, if that client is on this page.
	Session string `json:"session"`
	Owner   string `json:"owner,omitempty"` // see Session
	// Token is the fencing token of the place once it holds, without hand-overs inside a process: 256 times the czxid of the node.
	Token int64 `json:"token,string"`
	// Since is when the node was created, by the clock of the servers.
	Since time.Time `json:"since"`
}
