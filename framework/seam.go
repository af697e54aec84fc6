package framework

import (
	"io"

	"github.com/docent-zk/docent/internal/seam"
)

// What docent's own recipes use and the public API does not offer goes to internal/recipekit.
func init() {
	seam.Provide(seam.Functions[*Client, *Session, Node, CreateOption]{
		Telemetry:          (*Client).reporter,
		Random:             func(c *Client) io.Reader { return c.core.random },
		Attached:           func(s *Session, key any, create func() any) any { return s.e.attached.get(key, create) },
		CreateInQueue:      (*Session).createInQueue,
		CreateTwins:        (*Session).createTwins,
		CreateTwinsInQueue: (*Session).createTwinsInQueue,
		DeleteTwins:        (*Session).deleteTwins,
		MultiReadSize:      (*Session).multiReadSize,
		MultiRead:          (*Session).multiRead,
		NewWatchSet:        (*Session).newWatchSet,
	})
}
