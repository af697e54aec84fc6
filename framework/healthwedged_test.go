package framework

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/zktest"
)

// A supervisor that hangs cannot say that the connection is gone. Its clocks say it, and that only a restart helps.
func TestHealthOfAClientThatHangs(t *testing.T) {
	for name, hangs := range map[string]State{"connected": Connected, "suspended": Suspended} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, err := zktest.StartMemory(zktest.Config{})
				require.NoError(t, err)
				defer s.Close()
				var stop atomic.Bool
				release := make(chan struct{})
				cli, err := start(Config{ConnectString: s.ConnectString(), Dialer: s.Client("test").Dial, SessionTimeout: T},
					func() time.Duration {
						if stop.CompareAndSwap(true, false) {
							<-release
						}
						return 0
					})
				require.NoError(t, err)
				await(t, cli, Connected)
				defer s.Blackhole(zktest.AllConns(), zktest.Both)()
				if hangs == Suspended {
					await(t, cli, Suspended)
				}
				last := cli.Info().LastAnswer
				stop.Store(true)
				time.Sleep(time.Until(last.Add(T)))
				assert.Equal(t, hangs, cli.State().State)
				assert.False(t, cli.Health().Ready(), "there is no answer, whatever the state says")
				due := last.Add(T)
				if hangs == Connected {
					due = last.Add(T * 3 / 4)
				}
				time.Sleep(time.Until(due.Add(4*T)) - time.Millisecond)
				assert.True(t, cli.Health().Live())
				time.Sleep(time.Millisecond)
				assert.False(t, cli.Health().Live())
				assert.Contains(t, cli.Health().String(), "it hangs")
				close(release)
				time.Sleep(T)
				assert.True(t, cli.Health().Live())
				assert.NoError(t, cli.Close())
			})
		})
	}
}
