package etcd

import (
	"flag"
	"fmt"
	"net/url"
	"os"
	"testing"

	"go.etcd.io/etcd/server/v3/embed"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(serving{m}) }

// endpoint is where the server is, host:port.
var endpoint string

// serving runs the tests on an etcd that is gone before anybody looks for leaked goroutines.
type serving struct{ *testing.M }

func (s serving) Run() int {
	dir, err := os.MkdirTemp("", "docent-etcd-")
	if err != nil {
		fmt.Println(err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	server, err := serve(dir)
	if err != nil {
		fmt.Println("starting etcd:", err)
		return 1
	}
	defer server.Close()
	endpoint = server.Clients[0].Addr().String()
	flag.Parse()
	if err := flag.Set("test.parallel", "100"); err != nil { // they wait rather than work
		fmt.Println(err)
		return 1
	}
	return s.M.Run()
}

// serve starts an etcd as it is by default, but for where it listens and that it does not wait for the disk.
func serve(dir string) (*embed.Etcd, error) {
	anywhere := []url.URL{{Scheme: "http", Host: "127.0.0.1:0"}}
	config := embed.NewConfig()
	config.Dir, config.LogLevel, config.UnsafeNoFsync = dir, "fatal", true
	config.ListenClientUrls, config.AdvertiseClientUrls = anywhere, anywhere
	config.ListenPeerUrls, config.AdvertisePeerUrls = anywhere, anywhere
	config.InitialCluster = config.InitialClusterFromName(config.Name)
	server, err := embed.StartEtcd(config)
	if err != nil {
		return nil, err
	}
	select {
	case <-server.Server.ReadyNotify():
		return server, nil
	case err := <-server.Err():
		server.Close()
		return nil, err
	}
}
