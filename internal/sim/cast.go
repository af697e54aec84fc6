package sim

import "slices"

// role is a recipe that can be played.
type role struct {
	name string
	draw func(b *base) part
}

// cast lists the roles. A role is one file: its part, its users, and what must be true of them.
var cast = []role{
	{"mutex", drawMutex},
	{"hand-over", drawHandover},
	{"readers and writers", drawReadersWriters},
	{"semaphore", drawSemaphore},
	{"several locks", drawMulti},
	{"election", drawElection},
	{"kept node", drawKept},
	{"double barrier", drawDouble},
}

func roleNamed(name string) role {
	return cast[slices.IndexFunc(cast, func(r role) bool { return r.name == name })]
}
