package lock_test

import (
	"context"
	"flag"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/test/realzk"
	"github.com/docent-zk/docent/lock"
)

var followers = flag.Bool("lock.followers", false, "measure every combination of TestFollowerCutOffFromItsLeader, three times each")

// severance is one combination: a holder whose follower is cut off from its leader.
type severance struct {
	syncLimit int           // in ticks of 400 ms
	timeout   time.Duration // the session timeout
	hold      bool          // the holder's policy is Hold and not Cancel
	alone     bool          // the holder knows no other server
}

func (s severance) String() string {
	policy, servers := "Cancel", "all servers known"
	if s.hold {
		policy = "Hold"
	}
	if s.alone {
		servers = "one server known"
	}
	return fmt.Sprintf("%s, T %v, syncLimit %v, %s", policy, s.timeout, time.Duration(s.syncLimit)*severedTick, servers)
}

const severedTick = 400 * time.Millisecond

// A follower that has lost its leader goes on answering pings until syncLimit has passed. The holder behind it cannot tell, while
// the leader may expire its session. docs/guarantees.md states for how long two holders can overlap; this test measures it.
//
// With Cancel and a syncLimit below the session timeout the follower drops its clients, which ends the claim, before the leader
// may expire the session. The test demands that no overlap occurs then. It measures the other combinations on request.
func TestFollowerCutOffFromItsLeader(t *testing.T) {
	t.Parallel()
	combinations, runs := []severance{{syncLimit: 5, timeout: 2 * realTimeout, alone: true}}, 1 // T - S is for stalls of the machine
	if *followers {
		combinations, runs = nil, 3
		for i := range 8 {
			combinations = append(combinations, severance{[]int{5, 15}[i/4], realTimeout, i%4 >= 2, i%2 == 1})
		}
	}
	for _, c := range combinations {
		for range runs {
			t.Run(c.String(), func(t *testing.T) {
				overlap := c.overlap(t)
				t.Logf("%v: the holder ended %v after its successor began", c, overlap.Round(time.Millisecond))
				if !c.hold && c.syncLimit == 5 {
					require.Negative(t, overlap)
				}
			})
		}
	}
}

// overlap is how long the holder holds beside its successor. It is negative if the holder ended first, or holds on because its
// session was resumed on another server in time.
func (s severance) overlap(t *testing.T) time.Duration {
	ensemble := realzk.Ensemble(t, 3, realzk.Options{TickTime: severedTick, SyncLimit: s.syncLimit})
	leader, err := ensemble.Leader(within(t))
	require.NoError(t, err)
	holder, follower := s.behindAFollower(t, ensemble, leader)
	var opts []lock.Option
	if s.hold {
		opts = append(opts, lock.Hold(0))
	}
	held, err := lock.New(holder, "/lock", opts...).Lock(within(t))
	require.NoError(t, err)
	var ended time.Time
	over := make(chan struct{})
	context.AfterFunc(held.Context(), func() {
		ended = time.Now()
		close(over)
	})
	next := realQueue(t, lock.New(realClient(t, leader.Addr()), "/lock"), 2)
	ensemble.Partition(follower)
	resumed := make(chan struct{})
	go func() {
		for change := range holder.States(t.Context()) {
			if change.State == framework.Reconnected {
				close(resumed)
				return
			}
		}
	}()
	var successor result
	select {
	case <-resumed: // so nobody can take the lock unless the holder lets it go
		_ = held.Unlock(within(t))
		<-over
		successor = <-next
	case successor = <-next:
		<-over
	}
	require.NoError(t, successor.err)
	require.NoError(t, successor.held.Unlock(within(t)))
	require.NoError(t, ensemble.Heal())
	return ended.Sub(successor.at)
}

// behindAFollower starts clients until one is connected to a follower, and returns it with the follower's index.
func (s severance) behindAFollower(t *testing.T, ensemble *realzk.Cluster, leader *realzk.Server) (*framework.Client, int) {
	servers := ensemble.Servers()
	at := func(addr string) int {
		return slices.IndexFunc(servers, func(server *realzk.Server) bool { return server.Addr() == addr })
	}
	follower := (slices.Index(servers, leader) + 1) % len(servers)
	if s.alone {
		return realClient(t, servers[follower].Addr(), s.lasting), follower
	}
	for {
		cli := realClient(t, ensemble.ConnectString(), s.lasting)
		if server := at(cli.State().Server); servers[server] != leader {
			return cli, server
		}
	}
}

// lasting gives a client the session timeout.
func (s severance) lasting(c *framework.Config) { c.SessionTimeout = s.timeout }

// A holder that trusts its session releases the lock while its follower is cut off and somebody else has the lock already. The
// release cannot be confirmed, so Unlock must not return nil.
func TestUnlockBehindAFollowerThatIsCutOff(t *testing.T) {
	t.Parallel()
	s := severance{syncLimit: 15, timeout: realTimeout, hold: true, alone: true} // the follower answers pings for longer than T
	ensemble := realzk.Ensemble(t, 3, realzk.Options{TickTime: severedTick, SyncLimit: s.syncLimit})
	leader, err := ensemble.Leader(within(t))
	require.NoError(t, err)
	holder, follower := s.behindAFollower(t, ensemble, leader)
	held, err := lock.New(holder, "/lock", lock.Hold(0)).Lock(within(t))
	require.NoError(t, err)
	next := realQueue(t, lock.New(realClient(t, leader.Addr()), "/lock"), 2)
	ensemble.Partition(follower)
	successor := <-next
	require.NoError(t, successor.err)
	require.NoError(t, held.Context().Err(), "the holder trusts its session")
	released := make(chan error, 1)
	go func() { released <- held.Unlock(within(t)) }()
	require.NoError(t, ensemble.Heal())
	require.ErrorIs(t, <-released, framework.ErrSessionLost)
	require.NoError(t, successor.held.Unlock(within(t)))
}
