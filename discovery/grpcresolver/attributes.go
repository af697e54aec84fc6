package grpcresolver

import (
	"google.golang.org/grpc/attributes"

	"github.com/docent-zk/docent/discovery"
)

// attribute is the key of what is known of an instance.
type attribute struct{}

// traits are what is known of an instance.
type traits struct {
	key    string
	weight float64
	zone   string
}

// Equal makes attributes comparable.
func (t traits) Equal(other any) bool { return t == other }

// describe puts what is known of an instance into attributes.
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

// Weight is what discovery.WithWeight says of an instance, 1 for an endpoint that is not of this package.
func Weight(a *attributes.Attributes) float64 { return traitsOf(a).weight }

// Zone is what discovery.WithZone says of an instance, "" for an endpoint that is not of this package.
func Zone(a *attributes.Attributes) string { return traitsOf(a).zone }

// Key is the name of an instance's node, "" for an endpoint that is not of this package.
func Key(a *attributes.Attributes) string { return traitsOf(a).key }
