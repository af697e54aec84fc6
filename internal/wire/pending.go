package wire

import (
	"sort"
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
	sent time.Time // before the write
	xid  int32
	op   int32 // as it went out
	key  int32 // the xid of the latest call by then, which may be this one
	done bool  // answered out of turn, or withdrawn; still in the queue
	size int   // of its frame
	call *Call // nil for one of the driver, or of wire's own
}

// pending is the queue of unanswered requests of a link: a ring that grows by
// doubling and does not allocate once it has its size.
type pending struct {
	mu      sync.Mutex
	ring    []request // its length is a power of two
	head, n int
	bytes   int   // of the frames that are unanswered
	open    int   // unanswered ones that are not pings
	key     int32 // of the latest
}

// push adds a request at the end. It reports false if there are too many.
func (p *pending) push(r request) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.n == len(p.ring) && !p.grow() {
		return false
	}
	if r.xid >= firstXid {
		p.key = r.xid
	}
	r.key = max(p.key, firstXid-1)
	*p.at(p.n) = r
	p.n++
	p.bytes += r.size
	if r.op != opPing {
		p.open++
	}
	return true
}

// take removes the oldest request with that xid. That is the first one unless
// the server answers out of turn: then overtook is true.
func (p *pending) take(xid int32) (found request, ok, overtook bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := p.index(xid)
	if i < 0 {
		return request{}, false, false
	}
	r := p.at(i)
	found = *r
	r.done, r.call = true, nil
	p.bytes -= r.size
	if r.op != opPing {
		p.open--
	}
	p.dropDone()
	return found, true, i > 0
}

// index returns where the oldest request with that xid is, -1 if there is none. Calls are in the order
// of their xids, so that one is found as quickly on a server that answers out of turn.
func (p *pending) index(xid int32) int {
	first := 0
	if xid >= firstXid && p.n > 0 && p.at(0).xid != xid {
		first = sort.Search(p.n, func(i int) bool { return p.distance(p.at(i).key) >= p.distance(xid) })
	}
	for i := first; i < p.n; i++ {
		switch r := p.at(i); {
		case r.xid == xid && !r.done:
			return i
		case xid >= firstXid && r.key != xid:
			return -1
		}
	}
	return -1
}

// distance is how many calls after the oldest request one came. Their xids begin again at firstXid.
func (p *pending) distance(key int32) int32 { return (key - p.at(0).key) & (firstXid - 1) }

// oldest returns the request that has waited longest for its reply.
func (p *pending) oldest() (r request, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.n == 0 {
		return request{}, false
	}
	return *p.at(0), true
}

// find returns the oldest request with that xid.
func (p *pending) find(xid int32) (found request, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if i := p.index(xid); i >= 0 {
		return *p.at(i), true
	}
	return request{}, false
}

// unanswered is how many bytes have been handed in whose requests are unanswered.
func (p *pending) unanswered() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.bytes
}

// busy is how many requests are unanswered, pings apart.
func (p *pending) busy() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.open
}

// withdraw removes the request of a call, if it is there.
func (p *pending) withdraw(c *Call) bool {
	r, ok, _ := p.take(c.xid)
	return ok && r.call == c
}

// each calls fn with all unanswered requests, in order.
func (p *pending) each(fn func(*request)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range p.n {
		if r := p.at(i); !r.done {
			fn(r)
		}
	}
}

// drain removes all requests and returns them, in order.
func (p *pending) drain() (all []request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	all = make([]request, 0, p.n)
	for i := range p.n {
		if r := p.at(i); !r.done {
			all = append(all, *r)
		}
	}
	clear(p.ring)
	p.head, p.n, p.bytes, p.open = 0, 0, 0, 0
	return all
}

func (p *pending) at(i int) *request { return &p.ring[(p.head+i)&(len(p.ring)-1)] }

func (p *pending) dropDone() {
	for p.n > 0 && p.at(0).done {
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
