package framework

import "sync"

// capability is a kind of request that not every server knows.
type capability int

const (
	capCreate2 capability = iota
	capAddWatch
	capRemoveWatches
	capSetWatches // asked for by ChangedSince
	capabilityCount
)

// maxSuspicions is how many connections may be lost over unanswered requests of a kind, before it is taken for the reason.
const maxSuspicions = 2

// capabilities are what a client has learnt of its servers.
type capabilities struct {
	mu   sync.Mutex
	list [capabilityCount]struct {
		known  bool // one was answered as such
		denied bool // the servers do not know it
		lost   int  // connections that ended over one
	}
}

// has reports whether requests of a kind are worth sending.
func (c *capabilities) has(which capability) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.list[which].denied
}

// learn draws the conclusion from how a request of a kind has ended. It reports whether the servers have just turned out not to
// know the kind.
func (c *capabilities) learn(which capability, err error) (news bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := &c.list[which]
	code, coded := codeOf(err)
	switch {
	case coded && code == codeUnimplemented:
		news, s.denied = !s.denied, true
	case err == nil || coded:
		s.known = true
	case outcomeOf(err) == unknown:
		if s.lost++; s.lost >= maxSuspicions && !s.known {
			news, s.denied = !s.denied, true
		}
	}
	return news
}
