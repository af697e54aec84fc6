package seqnode

// Kind is what a sequential node is for, as its marker says.
type Kind uint8

// The kinds, with the recipes that create them.
const (
	// Foreign is a name without a known marker.
	Foreign Kind = iota
	// Lock is "lock-": Curator's InterProcessMutex and LeaderSelector,
	// go-zookeeper's zk.Lock, docent's Mutex.
	Lock
	// KazooLock is "__lock__": kazoo's Lock, WriteLock and Election.
	KazooLock
	// Read is "__READ__": the read half of Curator's
	// InterProcessReadWriteLock.
	Read
	// Write is "__WRIT__": its write half.
	Write
	// KazooRead is "__rlock__": kazoo's ReadLock.
	KazooRead
	// Latch is "latch-": Curator's LeaderLatch.
	Latch
	// Lease is "lease-": Curator's InterProcessSemaphoreV2.
	Lease
	// Party is "__party__": kazoo's Party.
	Party

	kinds // their number
)

var markers = [kinds]string{
	Lock:      "lock-",
	KazooLock: "__lock__",
	Read:      "__READ__",
	Write:     "__WRIT__",
	KazooRead: "__rlock__",
	Latch:     "latch-",
	Lease:     "lease-",
	Party:     "__party__",
}

// Marker returns the text in front of the sequence number, "" for Foreign.
func (k Kind) Marker() string {
	if k >= kinds {
		return ""
	}
	return markers[k]
}

// String returns the marker, or "foreign".
func (k Kind) String() string {
	if m := k.Marker(); m != "" {
		return m
	}
	return "foreign"
}
