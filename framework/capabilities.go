package framework

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/docent-zk/docent/internal/wire"
)

// capability is a kind of request that some servers do not know.
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

// capabilityNames has, for each kind of request, its name and what docent does without it.
var capabilityNames = [capabilityCount]struct{ name, instead string }{
	capCreate2:       {"create2", "each create is followed by an exists"},
	capContainer:     {"createContainer", "parents are created as persistent nodes"},
	capTTL:           {"createTTL", "nodes with a TTL cannot be created"},
	capAddWatch:      {"addWatch", "one-shot watches are used instead of recursive ones"},
	capSetWatches:    {"setWatches", "watches are set again one by one"},
	capSetWatches2:   {"setWatches2", "recursive watches are set again one by one"},
	capMultiRead:     {"multiRead", "nodes are read one by one"},
	capRemoveWatches: {"removeWatches", "watches that are no longer needed stay on the server"},
	capEphemerals:    {"getEphemerals", "Ephemerals is refused"},
	capDescendants:   {"getAllChildrenNumber", "Descendants is refused; Walk can count the nodes"},
	capWhoAmI:        {"whoAmI", "the client cannot ask how the servers know it"},
}

const (
	// lossesUnanswered is the number of lost connections after which a kind that was never answered is taken to be
	// unsupported. lossesAnswered is the number for a kind that was answered before.
	lossesUnanswered = 2
	lossesAnswered   = 3
	// relearnAfter is the minimum time for which a kind is taken to be unsupported.
	relearnAfter = time.Hour
	// denialAge is the minimum age of a denial before a new connection counts as one to another server or version. A
	// younger connection is a consequence of the denial.
	denialAge = time.Minute
)

// capabilities is what a client has learned about its servers: see "Capabilities" in the package documentation.
type capabilities struct {
	log  *slog.Logger
	mu   sync.Mutex
	list [capabilityCount]kind
}

// kind is what is known about one kind of request. It implements wire.Kind.
type kind struct {
	table *capabilities
	which capability
	learnt
}

// learnt is what is known about one kind. It is guarded by the table's mutex.
type learnt struct {
	answered bool      // with something other than "unimplemented"
	losses   int       // connections lost over it since it was answered
	denied   time.Time // since when it is taken to be unsupported; zero if it is not
	why      string    // reason of the denial
	moved    bool      // a later connection may be to another server
	said     bool      // the denial has been logged
}

var _ wire.Kind = (*kind)(nil)

func (c *capabilities) init(log *slog.Logger) {
	c.log = log
	for which := range c.list {
		c.list[which].table, c.list[which].which = c, capability(which)
	}
}

// kind returns the mark for a wire.Call of that kind of request.
func (c *capabilities) kind(which capability) wire.Kind { return &c.list[which] }

// has reports whether requests of a kind should be sent.
func (c *capabilities) has(which capability) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	k := &c.list[which]
	return k.denied.IsZero() || k.due()
}

// answers reports whether a request of a kind was answered, which proves that the servers know it.
func (c *capabilities) answers(which capability) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.list[which].answered && c.list[which].denied.IsZero()
}

// lack returns nil if requests of a kind should be sent, or else the reason, as an error that matches ErrUnsupported.
func (c *capabilities) lack(which capability) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if k := &c.list[which]; !k.denied.IsZero() && !k.due() {
		return fmt.Errorf("%w: %s: %s", ErrUnsupported, capabilityNames[which].name, k.why)
	}
	return nil
}

// lacks lists what the servers do not support.
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

// connected records a new connection.
func (c *capabilities) connected() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range c.list {
		k := &c.list[i]
		k.moved = k.moved || !k.denied.IsZero() && time.Since(k.denied) >= denialAge
	}
}

// due reports whether a denied kind is to be retried. The mutex is held.
func (k *kind) due() bool { return k.moved && time.Since(k.denied) >= relearnAfter }

// Alone implements wire.Kind: a suspected request must be the only one on its connection.
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
	default: // any other reply
		k.known()
	}
}

// saysNothingOfKinds reports whether the code means that the server has not processed the request.
func saysNothingOfKinds(code int32) bool {
	switch code {
	case codeSessionExpired, codeSessionMoved, codeClosing, codeSASLRequired, codeTooBusy:
		return true
	}
	return false
}

// known records that the servers support the kind. The mutex is held.
func (k *kind) known() {
	if k.said {
		k.table.log.Info("the servers now support a request that they did not support before", "request", capabilityNames[k.which].name)
	}
	k.learnt = learnt{answered: true}
}

// isLoss reports whether err is the error of a call because of which the server may have closed the connection or
// dropped a reply.
func isLoss(err error) bool {
	return errors.Is(err, wire.ErrUnanswered) &&
		(errors.Is(err, wire.ErrHungUp) || errors.Is(err, wire.ErrReplyLost) || errors.Is(err, wire.ErrNoReply))
}

// lost records that a connection ended while a request of the kind was unanswered. It counts if the server closed the
// connection or dropped the reply. The first loss always counts, further ones only if no other request was unanswered.
// The mutex is held.
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

// deny records that the servers do not support the kind. The mutex is held.
func (k *kind) deny(why string) {
	first := !k.said
	k.learnt = learnt{denied: time.Now(), why: why, said: true}
	if first {
		about := capabilityNames[k.which]
		k.table.log.Warn("the servers do not support a request", "request", about.name, "cause", why, "instead", about.instead)
	}
}
