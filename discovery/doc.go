// Package discovery registers instances of services, and finds them. A registration survives a lost session. A cached view of a service
// keeps serving while the servers cannot be reached, and spreads calls over the instances. The data on the servers is that of Apache
// Curator's ServiceDiscovery, byte for byte, so Go and Java programs see each other's instances.
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
//	             node created                   brief disconnection: no write, no event
//	Register ----------------------> standing <--------------------------------------+
//	                                  | | | |                                        |
//	                     Update: Set  | | | +--- SUSPENDED, RECONNECTED -------------+
//	                     deleted by   | | |                                          |
//	                     others:      | | +----- LOST, new session: one transaction -+
//	                     created      | |        replaces the old session's node
//	                     again        | |
//	                                  | | Drain           after a time
//	                                  | +------> draining -------------+
//	                                  |          marked out of service v
//	                                  +--------------------------> closing ------> gone
//	                                    Close, in any state: the node is removed, in the background if necessary
//
// A [Registration] keeps the instance's node with a [node.Keeper]. A registration is standing while its node exists in the current session:
// [Registration.Standing] reports this, for example to a readiness probe. An id belongs to one registration at a time, and the newest
// registration has it. A restarted process that uses its former id replaces the node of its old session at once, and the
// end of the old session does not affect the new node.
//
// The base path and the directory of a service are containers with empty data, which servers remove when they have no children. The node of
// a [Dynamic] instance is ephemeral. The node of a [Static] or [Permanent] instance is persistent: it stays when its process ends,
// until it is deleted, or registered again and closed. The node of a [DynamicSequential] instance is ephemeral, and the servers number it.
//
// # A view of a service
//
//	       first load              connection lost
//	Open -------------> fresh ---------------------> stale, with StaleSince
//	                    ^   |                           |     all instances are still served
//	                    |   +-- changes, as they come   |
//	                    +-------------------------------+
//	                      back, or new session: the exact difference
//
//	registered -- decoded --> enabled --> not ejected --> in the preferred zone --> strategy --> Pick
//	         \            \-> disabled: listed, never picked
//	          \-> cannot be decoded, or has no address: skipped and counted; the others are served
//
// A [Service] answers from memory. While the servers cannot be reached, the view is stale and not empty: it serves all instances for as
// long as this lasts, and [Service.StaleSince] reports since when they may be out of date. [Service.Pick] takes no lock and does not
// allocate.
//
// # Spreading calls
//
// A [Strategy] chooses among the available instances: [RoundRobin], [Random], [Sticky], [Weighted], [PowerOfTwo], or your own.
// [Endpoint.Done] reports the end of a call, which PowerOfTwo needs, and its error. An instance with many errors in a short time is
// ejected for a while, see [Ejection]. At most half of the instances (rounded down, configurable) are ejected at a time, so a lone
// instance is never ejected.
//
// # Formats
//
// A [Codec] translates between instances and the data of nodes. [JSON] is the default; its comment describes how payloads look to Java.
// [Spring] is for services of Spring Cloud Zookeeper. Reading is as tolerant as in Curator: the order of fields is free, unknown
// fields are ignored, missing fields have defaults, and numbers may be strings. A node that cannot be decoded (broken JSON, no data, a
// payload of another type) makes Curator's queries fail for the whole service. In docent, every query and every view skips such a node and
// lists it as [Skipped], with its path and the reason. An instance that does not say where it can be called is skipped as well, and
// Register refuses it: see [Instance.Address]. A node is also skipped if the Codec panics for it, or does not return within 10 s.
//
// The zero value of a field is null on the servers: an empty Address, a Port of 0. The field is called Disabled, and not Enabled, so that
// the zero value is an instance in service.
//
// # Cost
//
//	Register        one create, and one read that watches the node (and creating missing parents)
//	Update          one write
//	disconnection   nothing
//	new session     see package node
//	Instances       one list and one read per instance, many at a time
//	Open            one list and one read per instance; then as package cache says
//	Pick            no request, no lock, no allocation; concurrent callers rarely write to the same memory
//	a change        one read of the instance; the time and memory for it grow with the logarithm of the number of instances, or
//	                with that number if the Strategy looks at every candidate
//
// # Guarantees and limits
//
//   - Close and Drain end a registration in any state. While the connection is away, the node is removed as soon as the connection is back,
//     or when its session ends. A closed registration does not reappear after an outage.
//   - When a session is lost and the next one begins while the old node still exists, watchers never see the instance absent.
//   - A view shows what the servers have. A crashed instance stays in the view until its session has expired on the servers. Until then
//     only Ejection keeps calls away from it.
//   - Ejection is local to one Service. Other clients do not learn of it.
package discovery
