// Package debugpage serves a page that shows what the docent clients of a process are doing, in the manner of net/http/pprof:
// states and their history, sessions, every live recipe with its state, and, on demand, who waits for whom in a queue.
//
//	mux.Handle("/debug/docent", debugpage.Handler(cli))
//
// The page is plain HTML that can be read without JavaScript; with it, the page follows what happens. It may be mounted at any
// path, also behind a proxy that changes it: all of its links are relative. It answers GET and HEAD, loads nothing from
// anywhere, and keeps nothing in a browser's cache.
//
//	                 +----------------------------------------------------------+
//	for each client  |  name, state, ready or not                               |
//	                 |  the latest states as a line of time                     |
//	                 |  session, epoch, timeout, server, until when it can be   |
//	                 |  trusted                                                 |
//	                 |  what is wrong, in sentences                             |
//	                 |  recipes: path, state, since when, policy, more to know  |
//	                 |  a queue, if one was asked for: who holds, who waits     |
//	                 |  every change of state that is remembered                |
//	                 +----------------------------------------------------------+
//
// # JSON
//
// A request that prefers application/json gets a [Report] at the same address:
//
//	curl -H 'Accept: application/json' localhost:8080/debug/docent
//
// Fields are added to it, but not taken away or given another meaning within a major version.
//
// # Queues
//
// All that is shown is what the clients know anyway, and costs no request to the servers; but for a queue, which is read when
// it is asked for, with ?queue=PATH&client=NUMBER: one list and one read for each of the first 50 places, within
// [Options.QueueTimeout]. The places are shown in the order in which they were taken, whoever's clients they are: docent's,
// Curator's, kazoo's, go-zookeeper's. Only queues that a recipe of the client stands in, or has stood in, can be asked for: the
// page is no way to read other nodes.
//
// # Who may see it
//
// Like pprof, the page is for those who run the process: mount it where only they come. It shows paths, addresses, session ids,
// errors and the data of nodes in queues, which says who they are. It shows no credentials, no session passwords and no
// other data. What others may have written (names and data of nodes) is quoted, shortened and escaped, and a
// Content-Security-Policy forbids every script and style but the page's own.
package debugpage
