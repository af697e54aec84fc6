package discovery_test

import (
	"flag"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/discovery"
	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/test/realzk"
	"github.com/docent-zk/docent/zktest"
)

// latencies are how far away a consumer is, each way.
var latencies = []time.Duration{0, 5 * time.Millisecond, 20 * time.Millisecond}

// only is the node of the service's only instance, and onlyOn what is in it when that has a port.
const only = dir + "/only"

func onlyOn(t *testing.T, port int) []byte {
	t.Helper()
	in := instance("only")
	in.Port = port
	data, err := discovery.JSON[meta]().Encode(in)
	require.NoError(t, err)
	return data
}

// replaceOnly deletes the instance and registers it again on another port, in one transaction.
func replaceOnly(t *testing.T, cli *framework.Client, port int) {
	t.Helper()
	_, err := cli.Multi(t.Context(), []framework.Op{
		framework.DeleteOp(only, framework.AnyVersion), framework.CreateOp(only, onlyOn(t, port), framework.Persistent),
	})
	require.NoError(t, err)
}

// Scenario 58: a consumer can pick a service's only instance at any time while that is replaced, as by the next session of its
// process.
func TestAReplacedInstanceCanBePicked(t *testing.T) {
	for _, latency := range latencies {
		t.Run(fmt.Sprint(latency), func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				writer := w.Connect("writer")
				w.Put(only, string(onlyOn(t, 1)))
				_, reg := w.registry("c")
				svc, err := reg.Open(t.Context(), "orders")
				require.NoError(t, err)
				defer svc.Close()
				defer w.Delay(zktest.ClientConns("c"), latency)()
				changes := svc.Changes(t.Context())
				<-changes
				failed, port := 0, 1
				for pick := range 10_000 {
					if pick%250 == 0 {
						port++
						replaceOnly(t, writer, port)
					}
					time.Sleep(200 * time.Microsecond)
					if _, err := svc.Pick(); err != nil {
						failed++
					}
					select {
					case c := <-changes:
						assert.Empty(t, c.Removed)
						assert.Equal(t, 1, c.Len())
					default:
					}
				}
				assert.Zero(t, failed, "of 10,000 picks")
				time.Sleep(time.Second)
				e, err := svc.Pick()
				require.NoError(t, err)
				assert.Equal(t, port, e.Port)
			})
		})
	}
}

var replacements = flag.Int("discovery.replacements", 5, "how often an instance is replaced at each latency on a real server")

// Scenario 58 on a real server.
func TestRealReplacedInstanceCanBePicked(t *testing.T) {
	t.Parallel()
	space := realzk.Shared(t)
	proxy := realzk.NewProxy(t, space.Addr())
	writer := realClient(t, space.ConnectString(), 10*time.Second)
	_, err := writer.Create(soon(t), only, onlyOn(t, 1), framework.Persistent, framework.Parents)
	require.NoError(t, err)
	svc, changes := realOpen(t, realClient(t, proxy.Addr()+space.Root(), 10*time.Second))
	port := 1
	for _, latency := range latencies {
		proxy.Delay(latency)
		picks, failed := 0, 0
		for range *replacements {
			port++
			replaceOnly(t, writer, port)
			for known := false; !known; {
				picks++
				if _, err := svc.Pick(); err != nil {
					failed++
				}
				select {
				case c := <-changes:
					assert.Empty(t, c.Removed)
					known = c.Len() == 1 && slices.Collect(c.Instances())[0].Port == port
				default:
				}
			}
		}
		t.Logf("%v away: %d of %d picks failed, in %d replacements", latency, failed, picks, *replacements)
		assert.Zero(t, failed)
	}
}
