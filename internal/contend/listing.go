package contend

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
)

// reportWaiting publishes, to those who look at the client's recipes, how many places are ahead. It is what the latest list of the directory has
// shown: a place does not watch those far ahead. For a place that waits behind another one of its session it is a lower bound.
func (p *Place) reportWaiting(before string, ahead int) {
	if tell := p.queue.Progress; tell != nil && p.told != ahead+1 {
		p.told = ahead + 1
		tell(ahead)
	}
	p.session.Report("waiting", nil, slog.String("node", p.node.Path), slog.Int("ahead", ahead), slog.String("behind", before))
}

// list has the claim listed among the client's recipes, until finish.
func (c *Claim) list() {
	if q := c.place.queue; q.Recipe != "" {
		c.listed = c.place.session.Track(q.Recipe, q.Dir, c.policy, "holding", c.Attrs()...)
	}
}

// Attrs describe the claim to those who look at the client's recipes.
func (c *Claim) Attrs() []slog.Attr {
	return []slog.Attr{slog.String("node", c.Path()), slog.Int64("token", c.Token())}
}

// reportEnd says that the claim has ended although nobody has released it. Until somebody does, whoever holds it may still
// believe, or not care, that it stands.
func (c *Claim) reportEnd() {
	if cause := context.Cause(c.ctx); c.listed != nil && !errors.Is(cause, ErrReleased) {
		c.listed.Report("ended, not released", fmt.Errorf("it has ended, and its holder has not given it up: %w", cause))
	}
}

func (c *Claim) unlist() {
	if c.listed != nil {
		c.listed.End()
	}
}
