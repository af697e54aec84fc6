// Package grpcresolver resolves gRPC targets from a registry of package discovery: zk:///orders is the service orders below
// the registry's base path. It is a separate module, so that other programs do not need gRPC.
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
//	  | cannot be opened: an      |      | an instance registers
//	  | error, and another        v      |
//	  | attempt later            no addresses, and an error that says why
//
//	servers unreachable, session lost: no update. The channel keeps the last addresses.
//
// Disabled instances have no address, so an instance that drains gets no more calls. Instances without an Address or a
// port have no address either. An instance whose weight is 0 has no address while other instances have a weight above 0.
// A service without instances, or without a directory, has no addresses: calls fail with Unavailable, unless they wait. The channel gets
// the reason. pick_first passes it on to calls; round_robin does so only until it has had an address. If the servers cannot be reached
// when a channel begins, this is reported every ten seconds.
//
// # Attributes
//
// [Weight], [Zone] and [Key] are for your own balancers. They read properties of an instance from the attributes of a resolver.Endpoint, or
// from the BalancerAttributes of a resolver.Address. If only attributes change, connections stay.
//
// A channel does not close the client of the registry. Each channel has its own view, which it closes.
package grpcresolver
