// Package health serves the report of [framework.Client.Health] to probes, such as those of Kubernetes.
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
// the client, from 1. The answer also has notices, such as a rejected configuration whose last good value stays in use (see
// framework.HealthReason). They do not change the status.
//
// # Ready and live
//
// Ready reports whether this process should get work. Every problem that has a bound in [framework.HealthBounds] counts.
// Live reports whether the process should be restarted. It fails only for problems that a restart cures: a leader function that runs on
// long after its term has ended, and a client that hangs. It does not fail because servers cannot be reached, since a restart of every
// process would only make an outage worse. If a process was stopped for several session timeouts, Live may fail once when the process
// continues, so give the probe a failureThreshold of at least two.
//
// Both use the clocks of the client and cost no request. The table in the documentation of package framework has their bounds, with T for
// the session timeout. If a network drops everything, a client is not ready within T. A disconnection of less than two thirds of T
// has no effect. Probes add their own period and threshold.
//
// A process that is not ready because its registration is missing, or because a cache is stale, may still be able to serve. If it should,
// leave the client out, or set a longer bound for Unwell.
package health
