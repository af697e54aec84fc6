// Package grpcresolver resolves gRPC targets from a registry of package discovery: zk:///orders is the service orders below
// the registry's base path. It is a module of its own, so that nobody else needs gRPC.
//
//	reg := discovery.New[Meta](cli, "/services")
//	conn, err := grpc.NewClient("zk:///orders",
//		grpc.WithResolvers(grpcresolver.New(reg)),
//		grpc.WithDefaultServiceConfig(`{"loadBalancingConfig":[{"round_robin":{}}]}`),
//		grpc.WithTransportCredentials(insecure.NewCredentials()))
//
// # What a channel sees
//
//	            view opened                         instances change
//	Build ---------------------> addresses ----------------------------------> addresses
//	  |                           |      ^
//	  | cannot be opened: an      |      | an instance comes
//	  | error, again after a      v      |
//	  | while                    no addresses, and an error that says why
//
//	registry away, session lost: nothing. The last addresses stay for as long as it takes.
//
// Instances that are Disabled have no address, so that draining one takes its calls away. Instances without an Address or a
// port have none either. An instance whose weight is 0 has no address while other instances have a weight above 0.
// A service of which the registry says that it has no instances, or that has no directory at all, has no addresses: calls
// fail with Unavailable, unless they wait. The channel is told the reason, which pick_first passes on and round_robin only
// while it has never had an address. A registry that cannot be reached when a channel begins is reported every ten seconds.
//
// # Attributes
//
// [Weight], [Zone] and [Key] read what the registry knows of an instance from the attributes of a resolver.Endpoint, or the
// BalancerAttributes of a resolver.Address, for balancers of one's own. A change of them alone does not break connections.
//
// The client of the registry is not closed by a channel. Each channel has a view of its own, which it closes.
package grpcresolver
