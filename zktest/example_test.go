package zktest_test

import (
	"fmt"
	"time"

	"github.com/go-zookeeper/zk"

	"github.com/docent-zk/docent/zktest"
)

// A client of any kind connects to the addresses of the server.
func ExampleStart() {
	srv, err := zktest.Start(zktest.Config{})
	if err != nil {
		panic(err)
	}
	defer srv.Close()

	c, _, err := zk.Connect(srv.Addrs(), 10*time.Second, zk.WithLogger(silent{}))
	if err != nil {
		panic(err)
	}
	defer c.Close()
	path, err := c.Create("/job-", []byte("work"), zk.FlagSequence, zk.WorldACL(zk.PermAll))
	fmt.Println(path, err)

	data, stat, err := srv.Get("/job-0000000000")
	fmt.Println(string(data), stat.Version, err)
	// Output:
	// /job-0000000000 <nil>
	// work 0 <nil>
}

// The request is committed, and its client never learns of it.
func ExampleServer_LoseReply() {
	srv, err := zktest.Start(zktest.Config{})
	if err != nil {
		panic(err)
	}
	defer srv.Close()
	c, _, err := zk.Connect(srv.Addrs(), 10*time.Second, zk.WithLogger(silent{}))
	if err != nil {
		panic(err)
	}
	defer c.Close()

	srv.LoseReply(zktest.OpCreate, 1)
	_, err = c.Create("/lost", nil, 0, zk.WorldACL(zk.PermAll))
	fmt.Println(err)
	fmt.Println(srv.Exists("/lost"))
	// Output:
	// zk: connection closed
	// true
}

// A hook decides what becomes of each message: here a request to delete a lock's node never reaches the server.
func ExampleServer_OnFrame() {
	srv, err := zktest.Start(zktest.Config{})
	if err != nil {
		panic(err)
	}
	defer srv.Close()
	srv.OnFrame(func(f zktest.Frame) zktest.Verdict {
		if f.Stage == zktest.Request && f.Op == zktest.OpDelete && f.Path == "/lock" {
			return zktest.Cut
		}
		return zktest.Pass
	})

	c, _, err := zk.Connect(srv.Addrs(), 10*time.Second, zk.WithLogger(silent{}))
	if err != nil {
		panic(err)
	}
	defer c.Close()
	if _, err := srv.Create("/lock", nil, zktest.Persistent); err != nil {
		panic(err)
	}
	fmt.Println(c.Delete("/lock", -1))
	fmt.Println(srv.Exists("/lock"), srv.Counts().Requests[zktest.OpDelete])
	// Output:
	// zk: connection closed
	// true 0
}

// A follower that lags shows its clients what was.
func ExampleCluster_Lag() {
	cluster, err := zktest.StartCluster(3, zktest.Config{})
	if err != nil {
		panic(err)
	}
	defer cluster.Close()
	follower := cluster.Followers()[0]
	c, _, err := zk.Connect(cluster.Addrs()[follower:follower+1], 10*time.Second, zk.WithLogger(silent{}))
	if err != nil {
		panic(err)
	}
	defer c.Close()
	if _, _, err := c.Exists("/"); err != nil {
		panic(err)
	}

	heal := cluster.Lag(time.Hour, follower)
	if _, err := cluster.Create("/n", nil, zktest.Persistent); err != nil {
		panic(err)
	}
	there, _, err := c.Exists("/n")
	fmt.Println(there, err)
	heal()
	_, err = c.Sync("/n")
	there, _, _ = c.Exists("/n")
	fmt.Println(there, err)
	// Output:
	// false <nil>
	// true <nil>
}
