// Package discovery registers the instances of services, and finds them: registrations that outlive sessions, a cached view
// of a service that goes on serving when the registry is away, and ways to spread calls over what it shows. What it writes is
// Apache Curator's ServiceDiscovery, byte for byte, so that Go and Java see each other's instances.
//
//	reg := discovery.New[Meta](cli, "/services")
//
//	r, err := reg.Register(ctx, discovery.Instance[Meta]{Name: "orders", Address: "10.0.0.7", Port: 8080})
//	if err != nil {
//		return err
//	}
//	defer r.Drain(context.WithoutCancel(ctx), 5*time.Second)
//
//	svc, err := reg.Open(ctx, "orders")
//	if err != nil {
//		return err
//	}
//	defer svc.Close()
//	in, err := svc.Pick()
//	if err != nil {
//		return err // ErrNoInstances
//	}
//	err = call(in.HostPort())
//	in.Done(err)
//
// # A registration
//
//	             the node stands                blip: no write, no event for anybody
//	Register ----------------------> standing <--------------------------------------+
//	                                  | | | |                                        |
//	                     Update: Set  | | | +--- SUSPENDED, RECONNECTED -------------+
//	                     deleted by   | | |                                          |
//	                     others: put  | | +----- LOST, new session: one transaction -+
//	                     back         | |        replaces the ghost, nobody sees a gap
//	                                  | |
//	                                  | | Drain           after a time
//	                                  | +------> draining -------------+
//	                                  |          marked out of service v
//	                                  +--------------------------> closing ------> gone
//	                                    Close, in any state: the node is removed, in the background if need be
//
// It is a [node.Keeper] of the instance's node, which [Registration.Standing] shows to readiness probes. An id belongs to one
// registration at a time, and the newest has it: a process that was restarted with the id of its predecessor replaces the
// node that the old session has left behind at once, and the end of that session does not touch it.
//
// The base path and the directory of a service are containers with empty data, which servers remove when they are empty. A
// [Dynamic] instance is an ephemeral node; a [Static] or [Permanent] one is persistent and stays when its process dies,
// until it is registered again and closed, or deleted; a [DynamicSequential] one is ephemeral and numbered by the servers.
//
// # A view of a service
//
//	       first load              connection away
//	Open -------------> fresh ---------------------> stale since then
//	                    ^   |                           |     every instance is still served
//	                    |   +-- changes, as they come   |
//	                    +-------------------------------+
//	                      back, or new session: the exact difference
//
//	registered -- decoded --> enabled --> not put out by errors --> in the preferred zone --> strategy --> Pick
//	         \            \-> disabled: shown, never picked
//	          \-> cannot be read, or says nowhere to be called: skipped and counted, the rest is served
//
// A [Service] answers from memory. Registry away means stale, not empty: instances are served for as long as it takes, and
// [Service.StaleSince] says since when they may be wrong. [Service.Pick] takes no lock and allocates nothing.
//
// # Spreading calls
//
// A [Strategy] chooses among the instances that are available: [RoundRobin], [Random], [Sticky], [Weighted],
// [PowerOfTwo], or one of your own. [Endpoint.Done] ends a use, which PowerOfTwo needs, and reports its error. An instance
// with many errors in a short time is put out for a while and then let back, see [Ejection]. Never are all put out: at
// most a share of them, half by default and rounded down, so that one that is alone is never put out.
//
// # Formats
//
// A [Codec] translates between instances and the data of nodes. [JSON] is the default; see there for how payloads look to Java.
// [Spring] is for services of Spring Cloud Zookeeper. Reading is as tolerant as Curator's: the order of fields is free, unknown
// fields are ignored, missing ones have defaults, numbers may be strings. A node that cannot be read (broken JSON, no data, a
// payload of another kind) makes Curator's queries fail for the whole service. Here it is [Skipped], with its path and the
// reason, by every query and every view. An instance that does not say where it can be called is skipped as well, and Register
// refuses it: see [Instance.Address]. A panic in a Codec skips the node for which it was called, and a Codec that does not return
// within 10 s does the same.
//
// The zero value of a field is null: an empty Address, a Port of 0. Disabled is not Enabled so that the zero value is an
// instance in service.
//
// # What it costs
//
//	Register        create, and one read that watches the node (and what missing parents cost)
//	Update          one write
//	blip            nothing
//	new session     see package node
//	Instances       one list and one read per instance, many at a time
//	Open            one list and one read per instance; then as package cache says
//	Pick            no request, no lock, no allocation; callers that pick at the same moment rarely write to the same memory
//	a change        one read of the instance; the time and memory for it grow with the logarithm of the number of instances, or
//	                with that number if the Strategy looks at every candidate
//
// # Guarantees, and their limits
//
//   - Close and Drain end a registration in any state: when the connection is away the node is removed as soon as it is back,
//     or goes with its session. No ghost comes back when an outage heals.
//   - Watchers do not see an instance absent when its session is lost and the next one begins while its old node stands.
//   - A view shows what the registry has said. An instance that has crashed stays in it until its session has expired on the
//     servers; until then Ejection is what keeps calls away from it.
//   - Ejection is local to one Service: what one client thinks of an instance, others do not learn.
package discovery
