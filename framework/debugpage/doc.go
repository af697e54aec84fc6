// Package debugpage serves a page that shows what the docent clients of a process are doing, in the manner of net/http/pprof:
// states and their history, sessions, every running recipe with its state, and on demand the queue of a recipe.
//
//	mux.Handle("/debug/docent", debugpage.Handler(cli))
//
// The page is plain HTML that can be read without JavaScript. With JavaScript, it updates itself. It may be mounted at any path, even
// behind a proxy that changes the path, because all of its links are relative. It answers GET and HEAD, loads nothing from other
// addresses, and is not cached by browsers.
//
//	                 +----------------------------------------------------------+
//	for each client  |  name, state, ready or not                               |
//	                 |  the latest states on a timeline                         |
//	                 |  session, epoch, timeout, server, time until which it is |
//	                 |  trusted                                                 |
//	                 |  problems, in sentences                                  |
//	                 |  recipes: path, state, since when, policy, details       |
//	                 |  a queue, if requested: who holds, who waits             |
//	                 |  every change of state that is kept                      |
//	                 +----------------------------------------------------------+
//
// # JSON
//
// A request that prefers application/json gets a [Report] at the same address:
//
//	curl -H 'Accept: application/json' localhost:8080/debug/docent
//
// Within a major version fields may be added, but not removed or given another meaning.
//
// # Queues
//
// What the page shows is known to the clients and costs no request to the servers, with one exception: a queue is read when
// it is requested, with ?queue=PATH&client=NUMBER. That takes one list and one read of the first 50 places, within
// [Options.QueueTimeout], at most once a second however many pages are open. The places are in the order of the queue. They can belong
// to clients of docent, Curator, kazoo or go-zookeeper. Only queues in which a recipe of the client is, or was, can be
// requested: the page cannot read other nodes.
//
// # Problems
//
// A client without a connection shows that as its only problem, with the number of recipes that wait for it. Recipes with problems come
// first. A cache lists the nodes that it could not read or decode, and a service the instances that were skipped or ejected, each with
// the reason. The page shows at most five problems of a client, 20 nodes of a kind and 200 recipes. The JSON has all problems and
// recipes.
//
// # Access
//
// Like pprof, the page is for operators: mount it where only they can reach it. It shows paths, addresses, session ids,
// errors and the data of nodes in queues, which identifies the contenders. It shows no credentials, no session passwords and no
// other data. Text that others may have written (names and data of nodes) is quoted, shortened and escaped. A
// Content-Security-Policy allows only the scripts and styles of the page.
package debugpage
