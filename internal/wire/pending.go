package wire

import (
	"sync"
	"time"
)

const (
	pendingStart = 64
	// maxPending is beyond what a server that still answers lets pile up
	// (40 MiB of bookkeeping here).
	maxPending = 1 << 20
)

// request is what is remembered of a frame until its reply comes.
type request struct {
	sent  time.Time // before the write
	xid   int32
	op    int32 // as it went out
	marks marks
}

// marks say what the reply to a request means beyond being a reply.
type marks uint8

const (
	markDone    marks = 1 << iota // answered out of turn; still in the queue
	markCreate2                   // left the driver as create
	markRearm                     // a setWatches that counts
	markProof                     // a ping that proves that no setWatches was held back
	markTree                      // an addWatch of wire's own
	markUntree                    // a removeWatches of wire's own
	markInquiry                   // a setWatches of wire's own
	markSingle                    // a read that stands in for a part of a setWatches

	markOwn = markTree | markUntree | markInquiry | markSingle // the driver does not know of it
)

func (r *request) has(m marks) bool { return r.marks&m != 0 }

// pending is the queue of unanswered requests of a link: a ring that grows by
// doubling and does not allocate once it has its size.
type pending struct {
	mu      sync.Mutex
	ring    []request // its length is a power of two
	head, n int
	creates int // unanswered ones with markCreate2
}

// push adds a request at the end. It reports false if there are too many.
func (p *pending) push(r request) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.n == len(p.ring) && !p.grow() {
		return false
	}
	*p.at(p.n) = r
	p.n++
	if r.has(markCreate2) {
		p.creates++
	}
	return true
}

// take removes the oldest request with that xid. That is the first one unless
// the server answers out of turn.
func (p *pending) take(xid int32) (request, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range p.n {
		r := p.at(i)
		if r.xid != xid || r.has(markDone) {
			continue
		}
		found := *r
		r.marks |= markDone
		if found.has(markCreate2) {
			p.creates--
		}
		p.dropDone()
		return found, true
	}
	return request{}, false
}

// awaitsCreate2 reports whether a create that left as create2 is unanswered.
func (p *pending) awaitsCreate2() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.creates > 0
}

// awaits reports whether a request with one of the marks is unanswered.
func (p *pending) awaits(m marks) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range p.n {
		if r := p.at(i); r.has(m) && !r.has(markDone) {
			return true
		}
	}
	return false
}

func (p *pending) at(i int) *request { return &p.ring[(p.head+i)&(len(p.ring)-1)] }

func (p *pending) dropDone() {
	for p.n > 0 && p.at(0).has(markDone) {
		p.head = (p.head + 1) & (len(p.ring) - 1)
		p.n--
	}
}

func (p *pending) grow() bool {
	size := max(pendingStart, 2*len(p.ring))
	if size > maxPending {
		return false
	}
	ring := make([]request, size)
	for i := range p.n {
		ring[i] = *p.at(i)
	}
	p.ring, p.head = ring, 0
	return true
}
