package cache

import "time"

// Refused reads are retried after minPatience, then less and less often, down to once in maxPatience. Retries that are
// due within retrySlack are sent together.
const (
	minPatience = time.Second
	maxPatience = time.Minute
	retrySlack  = 100 * time.Millisecond
)

const never = time.Duration(1<<63 - 1)

// retrial is the next retry of a refused read.
type retrial struct {
	pause time.Duration // before it; the next one is longer
	due   time.Time     // zero while the retry is running
}

// postpone plans the next retry of a refused read. With first, which means that the read was not refused before, the
// pause is the shortest one. An event or a Refresh can request the read before the retry is due. That does not lengthen
// the pause, however often it happens.
func (p *pass) postpone(w work, first bool) {
	r := p.retrials[w]
	switch {
	case r == nil || first:
		r = &retrial{pause: minPatience}
		p.retrials[w] = r
	case !r.due.IsZero():
		return
	default:
		r.pause = min(2*r.pause, maxPatience)
	}
	r.due = time.Now().Add(r.pause)
	if p.retryDue.IsZero() || r.due.Before(p.retryDue) {
		p.retryDue = r.due
		p.retry.Reset(r.pause)
	}
}

// planRetry sets the timer for the first retry.
func (p *pass) planRetry() {
	p.retryDue = time.Time{}
	for _, r := range p.retrials {
		if !r.due.IsZero() && (p.retryDue.IsZero() || r.due.Before(p.retryDue)) {
			p.retryDue = r.due
		}
	}
	if !p.retryDue.IsZero() {
		p.retry.Reset(time.Until(p.retryDue))
	}
}

// retryRefused retries the reads that are due.
func (p *pass) retryRefused() {
	for w, r := range p.retrials {
		switch {
		case p.refusal(w) == nil:
			delete(p.retrials, w)
		case !r.due.IsZero() && time.Until(r.due) <= retrySlack:
			r.due = time.Time{}
			p.mark(w, true, nil)
		}
	}
	p.planRetry()
}
