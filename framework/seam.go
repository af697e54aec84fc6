package framework

import (
	"io"

	"github.com/docent-zk/docent/internal/seam"
)

// init passes functions that are not part of the public API to internal/recipekit.
func init() {
	seam.Provide(seam.Functions[*Client, *Session, Node, *Watch, CreateOption]{
		Telemetry:          (*Client).reporter,
		Random:             func(c *Client) io.Reader { return c.core.random },
		Attached:           (*Session).attachment,
		CreateInQueue:      (*Session).createInQueue,
		CreateTogether:     (*Session).createTogether,
		CreateTwins:        (*Session).createTwins,
		CreateTwinsInQueue: (*Session).createTwinsInQueue,
		DeleteTwins:        (*Session).deleteTwins,
		DeleteAndLook:      (*Session).deleteAndLook,
		MultiReadSize:      (*Session).multiReadSize,
		MultiRead:          (*Session).multiRead,
		NewWatchSet:        (*Session).newWatchSet,
		WatchNodes:         (*Session).watchNodes,
		FiredOn:            func(w *Watch) int { return w.firedOn },
		Connection:         (*Session).connection,
		Rebuilt:            (*Session).sayRebuilt,
	})
}
