package sim

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/docent-zk/docent/zktest"
)

// Cutter numbers the frames that pass a server, from 0 and without pings, and cuts the connection at one of them.
type Cutter struct {
	w *World
	Cutting

	mu     sync.Mutex
	frames []zktest.Frame
}

// Cutting is where and how a Cutter cuts.
type Cutting struct {
	At     int            // number of the frame, -1 for none
	How    zktest.Verdict // Cut or CutAfter
	Outage time.Duration  // no connection is accepted for so long afterwards
}

// String names the cut.
func (c Cutting) String() string {
	how := map[zktest.Verdict]string{zktest.Cut: "instead of", zktest.CutAfter: "after"}[c.How]
	return fmt.Sprintf("cut %s frame %d, %v of outage", how, c.At, c.Outage)
}

// NewCutter starts to number frames.
func (w *World) NewCutter(c Cutting) *Cutter {
	cutter := &Cutter{w: w, Cutting: c}
	w.Server.OnFrame(cutter.pass)
	return cutter
}

// pass is the server's hook.
func (c *Cutter) pass(f zktest.Frame) zktest.Verdict {
	if f.Op == zktest.OpPing {
		return zktest.Pass
	}
	if c.note(f) != c.At {
		return zktest.Pass
	}
	if c.Outage > 0 {
		c.w.Server.Refuse()
		time.AfterFunc(c.Outage, func() { _ = c.w.Server.Accept() })
	}
	return c.How
}

// note returns the number of a frame.
func (c *Cutter) note(f zktest.Frame) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.frames = append(c.frames, f)
	return len(c.frames) - 1
}

// Frames returns the frames so far.
func (c *Cutter) Frames() []zktest.Frame {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.frames)
}

// Cuttings lists every place and way to cut in a run that had these frames: before each request is processed and after,
// before each answer or event is sent and after, once for each length of the outage.
func Cuttings(frames int, outages ...time.Duration) []Cutting {
	var list []Cutting
	for at := range frames {
		for _, how := range []zktest.Verdict{zktest.Cut, zktest.CutAfter} {
			for _, outage := range outages {
				list = append(list, Cutting{at, how, outage})
			}
		}
	}
	return list
}
