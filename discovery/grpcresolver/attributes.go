package grpcresolver

import (
	"google.golang.org/grpc/attributes"

	"github.com/docent-zk/docent/discovery"
)

// attribute is the key of an instance's traits.
type attribute struct{}

// traits are what a balancer may know about an instance.
type traits struct {
	key    string
	weight float64
	zone   string
}

// Equal implements the comparison of attributes.
func (t traits) Equal(other any) bool { return t == other }

// describe returns an instance's traits as attributes.
func describe(c *discovery.Candidate) *attributes.Attributes {
	return attributes.New(attribute{}, traits{key: c.Key(), weight: c.Weight(), zone: c.Zone()})
}

func traitsOf(a *attributes.Attributes) traits {
	t, ok := a.Value(attribute{}).(traits)
	if !ok {
		return traits{weight: 1}
	}
	return t
}

// Weight returns the result of discovery.WithWeight for an instance; 1 for an endpoint that is not from this package.
func Weight(a *attributes.Attributes) float64 { return traitsOf(a).weight }

// Zone returns the result of discovery.WithZone for an instance; "" for an endpoint that is not from this package.
func Zone(a *attributes.Attributes) string { return traitsOf(a).zone }

// Key returns the name of an instance's node; "" for an endpoint that is not from this package.
func Key(a *attributes.Attributes) string { return traitsOf(a).key }
