package debugpage

import (
	"context"
	"sync"
	"time"
)

// copyAge is how long a copy of a queue is shown before the queue is read again.
const copyAge = time.Second

// copies are the queues that were read last. However many people look at a queue, it is read once in copyAge.
type copies struct {
	mu sync.Mutex
	m  map[queueKey]*copied
}

// copied is the copy of a queue.
type copied struct {
	reading chan struct{} // holds a token while a request reads the queue
	queue   *Queue        // guarded by reading; nil before the first read
	at      time.Time     // when it had been read
}

// get returns a copy of a queue that is recent enough. If there is none, it calls read, which fills q, and keeps q. A
// request that ends while it waits for another one, or during read, gets q with an error, and its q is not kept.
func (c *copies) get(ctx context.Context, k queueKey, q *Queue, read func()) *Queue {
	kept := c.of(k)
	select {
	case kept.reading <- struct{}{}:
		defer func() { <-kept.reading }()
	case <-ctx.Done():
		q.Error = text(context.Cause(ctx))
		return q
	}
	if kept.queue != nil && time.Since(kept.at) < copyAge {
		return kept.queue
	}
	if read(); ctx.Err() == nil {
		kept.queue, kept.at = q, time.Now()
	}
	return q
}

// of returns the entry of a queue. If there are too many entries, any other one is dropped.
func (c *copies) of(k queueKey) *copied {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.m == nil {
		c.m = make(map[queueKey]*copied)
	}
	kept := c.m[k]
	if kept == nil {
		for old := range c.m {
			if len(c.m) < maxCopies {
				break
			}
			delete(c.m, old)
		}
		kept = &copied{reading: make(chan struct{}, 1)}
		c.m[k] = kept
	}
	return kept
}
