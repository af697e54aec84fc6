package cache

import "time"

// Refused reads are tried again after minPatience, then ever less often, up to once in maxPatience. Those that are due within
// retrySlack are tried together.
const (
	minPatience = time.Second
	maxPatience = time.Minute
	retrySlack  = 100 * time.Millisecond
)

const never = time.Duration(1<<63 - 1)

// retrial is when a read that was refused is tried again.
type retrial struct {
	pause time.Duration // before it, for the next one to be longer
	due   time.Time     // zero while it is being tried
}

// postpone plans the next try of a read that was refused. The pause is the shortest one if first is true: the read was not refused
// before. An event or a Refresh can ask for the read before the next try is due. That does not lengthen the pause, however often it
// happens.
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

// planRetry sets the timer to the first retrial that is due.
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

// retryRefused tries those again that are due.
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
