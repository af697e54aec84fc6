// Package health serves what [framework.Client.Health] says to probes, as those of Kubernetes.
//
//	mux.Handle("/readyz", health.Ready(cli))
//	mux.Handle("/livez", health.Live(cli))
//
// The answer has status 200 if all clients are well and 503 if one is not, with the reasons in sentences:
//
//	$ curl -i localhost:8080/readyz
//	HTTP/1.1 503 Service Unavailable
//	Content-Type: text/plain; charset=utf-8
//
//	not ready
//	- no server has answered for 17s; the connection is Lost: dial tcp 10.0.0.7:2181: connect: connection refused
//	- node /services/orders/7: waiting for a connection, not well for 17s: session is lost
//
// or as JSON, an [Answer], if the request prefers application/json. The reasons of several clients begin with the number of
// the client, from 1. What framework.HealthReason calls a notice, such as a rejected configuration whose last good value stays in
// use, is in the answer as well, and does not change its status.
//
// # Ready and live
//
// Ready answers whether this process should be given work: everything that [framework.HealthBounds] have a bound for counts.
// Live answers whether the process should be restarted, and says so only for what a restart cures: a leader function that goes
// on long after its term has ended, and a client that hangs. That a server, or all of them, cannot be reached is no such thing: a
// restart of every process would only add to the trouble. A process that was stopped for several session timeouts may say so once
// when it wakes up: give the probe a failureThreshold of two at least.
//
// Both follow the clocks of the client and cost no request: they are as true as the table in the documentation of package
// framework says, T being the session timeout. Within T of the moment at which a network swallows everything a client is not
// ready; a blip of less than two thirds of T is none of their business. Probes add their own period and threshold.
//
// A process that is not ready because its registration does not stand, or because a cache is stale, may still be able to serve:
// whether it should is for its author to say. One who says yes leaves the client out, or gives Unwell a longer bound.
package health
