package framework

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/docent-zk/docent/internal/wire"
)

// capability is a kind of request that not every server knows.
type capability int

const (
	capCreate2 capability = iota
	capContainer
	capTTL
	capAddWatch
	capSetWatches
	capSetWatches2
	capMultiRead
	capRemoveWatches
	capEphemerals
	capDescendants
	capWhoAmI
	capabilityCount
)

// capabilityNames has the name of each kind of request, and what docent does without it.
var capabilityNames = [capabilityCount]struct{ name, instead string }{
	capCreate2:       {"create2", "each create is followed by an exists"},
	capContainer:     {"createContainer", "parents are created as persistent nodes"},
	capTTL:           {"createTTL", "nodes with a TTL cannot be created"},
	capAddWatch:      {"addWatch", "one-shot watches take the place of recursive ones"},
	capSetWatches:    {"setWatches", "watches are set again one by one"},
	capSetWatches2:   {"setWatches2", "recursive watches are set again one by one"},
	capMultiRead:     {"multiRead", "nodes are read one by one"},
	capRemoveWatches: {"removeWatches", "watches that nobody needs stay on the server"},
	capEphemerals:    {"getEphemerals", "Ephemerals is refused"},
	capDescendants:   {"getAllChildrenNumber", "Descendants is refused; Walk can count the nodes"},
	capWhoAmI:        {"whoAmI", "the client cannot ask how the servers know it"},
}

const (
	// lossesUnanswered is how many connections are lost over a kind of request that was never answered, until the
	// kind is denied. lossesAnswered is that for a kind that has been answered.
	lossesUnanswered = 2
	lossesAnswered   = 3
	// relearnAfter is how long a kind is denied at least.
	relearnAfter = time.Hour
	// denialAge is how old a denial is when a new connection can be one to another server, or to another version of it. A
	// connection that is younger comes of the denial itself.
	denialAge = time.Minute
)

// capabilities are what a client has learnt of its servers: see "Capabilities" in the package documentation.
type capabilities struct {
	log  *slog.Logger
	mu   sync.Mutex
	list [capabilityCount]kind
}

// kind is what is known of one kind of request. It implements wire.Kind.
type kind struct {
	table *capabilities
	which capability
	learnt
}

// learnt is what is known of one kind. It is guarded by the mutex of the table.
type learnt struct {
	answered bool      // it was, and not as unimplemented
	losses   int       // connections that were lost over it since it was answered, as far as they count
	denied   time.Time // the servers do not know it, since then; zero if they may
	why      string    // it is denied
	moved    bool      // there has been a connection since that may be one to another server
	said     bool      // the log knows of the denial
}

var _ wire.Kind = (*kind)(nil)

func (c *capabilities) init(log *slog.Logger) {
	c.log = log
	for which := range c.list {
		c.list[which].table, c.list[which].which = c, capability(which)
	}
}

// kind is what a wire.Call of that kind of request is marked with.
func (c *capabilities) kind(which capability) wire.Kind { return &c.list[which] }

// has reports whether requests of a kind are worth sending.
func (c *capabilities) has(which capability) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	k := &c.list[which]
	return k.denied.IsZero() || k.due()
}

// answers reports whether a request of a kind was answered, so that the servers certainly know it.
func (c *capabilities) answers(which capability) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.list[which].answered && c.list[which].denied.IsZero()
}

// lack returns why requests of a kind are not worth sending, as an error that matches ErrUnsupported, or nil if they are.
func (c *capabilities) lack(which capability) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if k := &c.list[which]; !k.denied.IsZero() && !k.due() {
		return fmt.Errorf("%w: %s: %s", ErrUnsupported, capabilityNames[which].name, k.why)
	}
	return nil
}

// lacks lists what the servers do not know.
func (c *capabilities) lacks() (list []Lack) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range c.list {
		if k, about := &c.list[i], capabilityNames[i]; !k.denied.IsZero() {
			list = append(list, Lack{Request: about.name, Since: k.denied, Reason: k.why, Instead: about.instead})
		}
	}
	return list
}

// connected notes that there is a new connection.
func (c *capabilities) connected() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range c.list {
		k := &c.list[i]
		k.moved = k.moved || !k.denied.IsZero() && time.Since(k.denied) >= denialAge
	}
}

// due reports whether a denied kind is to be tried again. The mutex is held.
func (k *kind) due() bool { return k.moved && time.Since(k.denied) >= relearnAfter }

// Alone implements wire.Kind: a request that is under suspicion has to be alone on its connection.
func (k *kind) Alone() bool {
	k.table.mu.Lock()
	defer k.table.mu.Unlock()
	return k.losses > 0 || !k.denied.IsZero()
}

// Ended implements wire.Kind.
func (k *kind) Ended(alone bool, err error) {
	k.table.mu.Lock()
	defer k.table.mu.Unlock()
	var code *wire.CodeError
	switch {
	case errors.As(err, &code) && code.Code == codeUnimplemented:
		k.deny("a server has answered that it is not implemented")
	case errors.As(err, &code) && saysNothingOfKinds(code.Code), errors.Is(err, wire.ErrNotSent):
	case errors.Is(err, wire.ErrUnanswered):
		k.lost(alone, err)
	default: // any other answer
		k.known()
	}
}

// saysNothingOfKinds reports whether a server that answers with a code has not looked at what it was asked.
func saysNothingOfKinds(code int32) bool {
	switch code {
	case codeSessionExpired, codeSessionMoved, codeClosing, codeSASLRequired, codeTooBusy:
		return true
	}
	return false
}

// known notes that the servers know the kind. The mutex is held.
func (k *kind) known() {
	if k.said {
		k.table.log.Info("the servers know a request that they did not know before", "request", capabilityNames[k.which].name)
	}
	k.learnt = learnt{answered: true}
}

// isLoss reports whether err is that of a call over which a server may have ended the connection, or whose reply it has lost.
func isLoss(err error) bool {
	return errors.Is(err, wire.ErrUnanswered) &&
		(errors.Is(err, wire.ErrHungUp) || errors.Is(err, wire.ErrReplyLost) || errors.Is(err, wire.ErrNoReply))
}

// lost notes that a connection has ended over a request of the kind. It counts if the server has ended it, or has lost the
// reply; the first one counts in any case, and further ones if nothing else was unanswered. The mutex is held.
func (k *kind) lost(alone bool, err error) {
	if !isLoss(err) || !alone && (k.losses > 0 || !k.denied.IsZero()) {
		return
	}
	k.losses++
	limit := lossesUnanswered
	if k.answered {
		limit = lossesAnswered
	}
	if k.losses >= limit || !k.denied.IsZero() {
		k.deny("a server has closed the connection over it, or has not answered it, while nothing else was under way")
	}
}

// deny notes that the servers do not know the kind. The mutex is held.
func (k *kind) deny(why string) {
	first := !k.said
	k.learnt = learnt{denied: time.Now(), why: why, said: true}
	if first {
		about := capabilityNames[k.which]
		k.table.log.Warn("the servers do not know a request", "request", about.name, "cause", why, "instead", about.instead)
	}
}
