package contend

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
)

// reportWaiting publishes how many places are ahead, for framework.Client.Recipes. The number comes from the latest list
// of the directory. For a place that waits behind another place of its session it is a lower bound. id is the data of the
// nearest node ahead, if the place has read it.
func (p *Place) reportWaiting(before string, id []byte, ahead int) {
	if progress := p.queue.Progress; progress != nil && p.told != ahead+1 {
		p.told = ahead + 1
		progress(ahead)
	}
	attrs := []slog.Attr{slog.String("node", p.node.Path), slog.Int("ahead", ahead), slog.String("behind", before)}
	if len(id) > 0 {
		attrs = append(attrs, slog.String("behind_id", string(id[:min(len(id), maxShownID)])))
	}
	p.session.Report("waiting", nil, attrs...)
}

// maxShownID is how many bytes of the data of a node are published.
const maxShownID = 256

// list adds the claim to the client's recipes, until finish.
func (c *Claim) list() {
	if q := c.place.queue; q.Recipe != "" {
		c.listed = c.place.session.Track(q.Recipe, q.Dir, c.policy, "holding", c.Attrs()...)
	}
}

// Attrs returns details of the claim for the client's recipes.
func (c *Claim) Attrs() []slog.Attr {
	return []slog.Attr{slog.String("node", c.Path()), slog.Int64("token", c.Token())}
}

// reportEnd reports that the claim has ended and was not released. Until then, its holder may still rely on it.
func (c *Claim) reportEnd() {
	if cause := context.Cause(c.ctx); c.listed != nil && !errors.Is(cause, ErrReleased) {
		c.listed.Report("ended, not released", fmt.Errorf("it has ended, and its holder has not released it: %w", cause))
	}
}

func (c *Claim) unlist() {
	if c.listed != nil {
		c.listed.End()
	}
}
