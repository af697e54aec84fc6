package docenttest

import (
	"context"
	"slices"
	"testing/synctest"
	"time"

	"github.com/docent-zk/docent/framework"
)

// Eventually waits until cond returns true. It looks at once, and then at growing intervals, from a millisecond to a thousandth of the time that
// has passed, each time when every other goroutine in the bubble waits. What cond shares with other goroutines still needs an atomic or a mutex. After an
// hour of fake time the test fails, and says what it was waiting for.
func (s *Server) Eventually(what string, cond func() bool) {
	s.tb.Helper()
	for begun := time.Now(); ; {
		synctest.Wait()
		if cond() {
			return
		}
		waited := time.Since(begun)
		if waited > limit {
			s.tb.Fatalf("docenttest: waited for an hour of fake time: %s", what)
		}
		time.Sleep(max(time.Millisecond, waited/1000))
	}
}

// WaitState waits until a client is in one of the states and returns the change that led there. The present state counts too. It
// returns even if the state has passed by then, as Lost does when the next session begins at once.
func (s *Server) WaitState(cli *framework.Client, states ...framework.State) framework.StateChange {
	s.tb.Helper()
	ctx, cancel := context.WithTimeout(s.tb.Context(), limit)
	defer cancel()
	for change := range cli.States(ctx) {
		if slices.Contains(states, change.State) {
			synctest.Wait() // for others that hear of it
			return change
		}
	}
	s.tb.Fatalf("docenttest: waited for an hour of fake time: the client becomes %v; it is %v", states, cli.State().State)
	panic("unreachable")
}

// Settle lets pass what is on its way between clients and servers, and what follows from it at once: it sleeps for 100 times the latency of the network, 20 ms
// by default, and then waits until every other goroutine in the bubble waits. synctest.Wait alone does not, because messages take time.
func (s *Server) Settle() {
	time.Sleep(s.settle)
	synctest.Wait()
}
