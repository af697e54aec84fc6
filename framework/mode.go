package framework

import (
	"fmt"

	"github.com/go-zookeeper/zk"
)

// Mode is the kind of a node. A Mode is a [CreateOption].
type Mode int32

// The modes, as in ZooKeeper's CreateMode.
const (
	Persistent           Mode = zk.FlagPersistent
	Ephemeral            Mode = zk.FlagEphemeral
	PersistentSequential Mode = zk.FlagSequence
	EphemeralSequential  Mode = zk.FlagEphemeralSequential
	// Container nodes are removed by the servers some time after their last child was deleted.
	Container Mode = zk.FlagContainer
	// PersistentTTL nodes are removed by the servers when they have no children and were not changed for the TTL.
	// Servers need extendedTypesEnabled.
	PersistentTTL           Mode = zk.FlagTTL
	PersistentSequentialTTL Mode = zk.FlagPersistentSequentialWithTTL
)

var modeNames = map[Mode]string{
	Persistent: "Persistent", Ephemeral: "Ephemeral", PersistentSequential: "PersistentSequential",
	EphemeralSequential: "EphemeralSequential", Container: "Container", PersistentTTL: "PersistentTTL",
	PersistentSequentialTTL: "PersistentSequentialTTL",
}

// String returns the mode's name.
func (m Mode) String() string {
	if n, ok := modeNames[m]; ok {
		return n
	}
	return fmt.Sprintf("Mode(%d)", int32(m))
}

func (m Mode) valid() bool     { return m >= Persistent && m <= PersistentSequentialTTL }
func (m Mode) ephemeral() bool { return m == Ephemeral || m == EphemeralSequential }
func (m Mode) ttl() bool       { return m == PersistentTTL || m == PersistentSequentialTTL }
func (m Mode) sequential() bool {
	return m == PersistentSequential || m == EphemeralSequential || m == PersistentSequentialTTL
}

func (m Mode) applyCreate(c *create) { c.modes = append(c.modes, m) }

// defaultMode is the mode of a create without a Mode.
type defaultMode Mode

func (m defaultMode) applyCreate(c *create) { c.mode = Mode(m) }

// chooseMode sets the mode from the options. The same mode may be given twice.
func (c *create) chooseMode() error {
	for i, m := range c.modes {
		switch {
		case !m.valid():
			return fmt.Errorf("%w: %d is not a mode", zk.ErrInvalidFlags, int32(m))
		case m != c.modes[0]:
			return fmt.Errorf("%w: a node has one mode, and two were given, %v and %v", zk.ErrInvalidFlags, c.modes[0], m)
		case i == 0:
			c.mode = m
		}
	}
	return nil
}
