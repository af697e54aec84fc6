package framework_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/zktest"
)

// publish makes addrs the client addresses in an ensemble's configuration.
func publish(t *testing.T, s *zktest.Server, addrs ...string) {
	t.Helper()
	var lines []string
	for i, addr := range addrs {
		host := addr[:strings.LastIndex(addr, ":")]
		lines = append(lines, fmt.Sprintf("server.%d=%s:2888:3888:participant;%s", i+1, host, addr))
	}
	require.NoError(t, s.Set("/zookeeper/config", []byte(strings.Join(append(lines, "version=100000000"), "\n"))))
}

// A client that knows one member learns of the others, and follows when the ensemble moves to other machines.
func TestClientFollowsTheEnsemblesConfiguration(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{Endpoints: 4})
		addrs := s.Addrs()
		publish(t, s, addrs[:2]...)
		cli := connected(t, s, lasting, func(c *framework.Config) { c.ConnectString, c.FollowEnsemble = addrs[0]+"/app", true })
		time.Sleep(time.Minute)
		s.Stop(0)
		time.Sleep(sessionTimeout)
		assert.Equal(t, 1, endpoint(t, s, cli), "which only the configuration names")
		require.NoError(t, s.StartEndpoint(0))

		publish(t, s, addrs[2:]...)
		time.Sleep(5 * time.Minute)
		assert.Contains(t, []int{2, 3}, endpoint(t, s, cli))
		s.Stop(2, 3)
		time.Sleep(sessionTimeout / 2)
		assert.Equal(t, 0, endpoint(t, s, cli), "the connect string counts when nothing else can be reached")
		assert.EqualValues(t, 1, cli.State().Epoch)
	})
}

// An ensemble that knows itself under addresses which its clients cannot reach, or publishes nothing, costs nothing.
func TestConfigurationThatIsOfNoUse(t *testing.T) {
	for name, change := range map[string]func(t *testing.T, s *zktest.Server){
		"unreachable": func(t *testing.T, s *zktest.Server) { publish(t, s, "10.0.0.1:2181", "10.0.0.2:2181") },
		"empty":       func(*testing.T, *zktest.Server) {},
		"without ports": func(t *testing.T, s *zktest.Server) {
			require.NoError(t, s.Set("/zookeeper/config", []byte("server.1=a:1:2:participant\nversion=0")))
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := startServer(t, zktest.Config{Endpoints: 2})
				change(t, s)
				cli := connected(t, s, lasting, func(c *framework.Config) { c.FollowEnsemble = true })
				time.Sleep(time.Hour)
				assert.Equal(t, []framework.State{framework.Connecting, framework.Connected}, statesHad(cli))
				was := endpoint(t, s, cli)
				s.Stop(was)
				time.Sleep(sessionTimeout / 4)
				assert.Equal(t, 1-was, endpoint(t, s, cli))
				assert.EqualValues(t, 1, cli.State().Epoch)
			})
		})
	}
}

// Members that cannot be reached yet are tried until they can.
func TestConfigurationThatComesAheadOfItsServers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{Endpoints: 2})
		addrs := s.Addrs()
		s.Stop(1)
		publish(t, s, addrs[1])
		cli := connected(t, s, lasting, func(c *framework.Config) { c.ConnectString, c.FollowEnsemble = addrs[0], true })
		time.Sleep(10 * time.Minute)
		assert.Equal(t, 0, endpoint(t, s, cli))
		require.NoError(t, s.StartEndpoint(1))
		time.Sleep(5 * time.Minute)
		assert.Equal(t, 1, endpoint(t, s, cli))
		assert.NotContains(t, statesHad(cli), framework.Suspended)
	})
}

// A configuration that comes while the present server is down is taken over as well.
func TestConfigurationThatChangesDuringAnOutage(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{Endpoints: 3})
		addrs := s.Addrs()
		publish(t, s, addrs...)
		cli := connected(t, s, lasting, func(c *framework.Config) { c.FollowEnsemble = true })
		time.Sleep(time.Minute)
		was := endpoint(t, s, cli)
		s.Stop(was)
		publish(t, s, slices.Delete(slices.Clone(addrs), was, was+1)...)
		time.Sleep(5 * time.Minute)
		require.NoError(t, s.StartEndpoint(was))
		now := endpoint(t, s, cli)
		s.Stop(now)
		time.Sleep(sessionTimeout / 2)
		assert.Equal(t, 3-was-now, endpoint(t, s, cli), "and not the one that is listed no more")
	})
}

// A client that has to move because of the ensemble's configuration moves to a preferred server at once, and not by way of
// another one.
func TestClientMovesOnceToAPreferredServerOfTheConfiguration(t *testing.T) {
	for seed := range byte(6) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := startServer(t, zktest.Config{Endpoints: 5})
				addrs := s.Addrs()
				publish(t, s, addrs[1:]...)
				cli := connected(t, s, lasting, func(c *framework.Config) {
					c.ConnectString, c.FollowEnsemble, c.Random = addrs[0], true, seeded(seed)
					c.Prefer = func(server, _ string) bool { return server == addrs[4] }
				})
				time.Sleep(10 * time.Minute)
				assert.Equal(t, 4, endpoint(t, s, cli))
				assert.Equal(t, []framework.State{framework.Connecting, framework.Connected, framework.Reconnected}, statesHad(cli))
			})
		})
	}
}
