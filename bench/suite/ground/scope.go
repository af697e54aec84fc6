package ground

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/docent-zk/docent/internal/test/realzk"
)

// Scope is what has to be given back: servers, relays, directories.
type Scope struct {
	mu       sync.Mutex
	cleanups []func() error
}

// Defer has something done when the scope is closed, the latest first.
func (s *Scope) Defer(f func() error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cleanups = append(s.cleanups, f)
}

// Close gives everything back.
func (s *Scope) Close() error {
	var errs []error
	for len(s.cleanups) > 0 {
		last := len(s.cleanups) - 1
		errs = append(errs, s.cleanups[last]())
		s.cleanups = s.cleanups[:last]
	}
	return errors.Join(errs...)
}

// tb lets realzk work outside of tests. What would end a test panics with an errStart.
type tb struct{ *Scope }

type errStart struct{ error }

// Helper implements realzk.TB.
func (tb) Helper() {}

// Name implements realzk.TB.
func (tb) Name() string { return "bench" }

// Failed implements realzk.TB.
func (tb) Failed() bool { return false }

// Logf implements realzk.TB.
func (tb) Logf(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }

// Skipf implements realzk.TB.
func (tb) Skipf(format string, args ...any) { panic(errStart{fmt.Errorf(format, args...)}) }

// Fatalf implements realzk.TB.
func (tb) Fatalf(format string, args ...any) { panic(errStart{fmt.Errorf(format, args...)}) }

// Cleanup implements realzk.TB.
func (t tb) Cleanup(f func()) {
	t.Defer(func() error {
		f()
		return nil
	})
}

// Condition is what servers and network are like.
type Condition struct {
	Name    string
	Means   string        // for people
	Fsync   bool          // every write is forced to a disk before it is answered
	Latency time.Duration // that the network adds to each round trip
}

// Conditions are those that the benchmark knows, by their order.
var Conditions = []Condition{
	{Name: "memory", Means: "the servers' logs are in memory and are not forced to a disk; the network is the loopback interface"},
	{Name: "fsync", Means: "every write is forced to the disk of this machine", Fsync: true},
	{Name: "2ms", Means: "as memory, and the network adds 2 ms to each round trip", Latency: 2 * time.Millisecond},
}

// ZooKeeper starts a server for the scope. Dir is where its log goes with Fsync.
func ZooKeeper(s *Scope, c Condition, dir string) (server *realzk.Server, err error) {
	defer func() {
		if p := recover(); p != nil {
			failed, ok := p.(errStart)
			if !ok {
				panic(p)
			}
			err = failed.error
		}
	}()
	opts := realzk.Options{
		TickTime: 500 * time.Millisecond,
		// As a server is set up that is meant for work: with the optimising compiler, and ZooKeeper's own defaults.
		JavaFlags: []string{"-Xms1g", "-Xmx1g", "-XX:TieredStopAtLevel=4"},
		Properties: map[string]string{
			"zookeeper.forceSync": "no", "zookeeper.preAllocSize": "65536",
		},
	}
	if c.Fsync {
		opts.Properties["zookeeper.forceSync"] = "yes"
		opts.Dir = dir
	}
	return realzk.Standalone(tb{s}, opts), nil
}

// Etcd starts a server for the scope and returns its address. Dir is where its log goes with Fsync.
func Etcd(ctx context.Context, s *Scope, c Condition, dir string) (addr string, err error) {
	path, err := exec.LookPath("etcd")
	if err != nil {
		return "", errors.New("etcd is not installed (Debian's package is etcd-server)")
	}
	place := dir
	if !c.Fsync {
		place = Memory()
	}
	data, err := os.MkdirTemp(place, "docent-bench-etcd-")
	if err != nil {
		return "", err
	}
	s.Defer(func() error { return os.RemoveAll(data) })
	ports, err := freePorts(2)
	if err != nil {
		return "", err
	}
	client, peer := "http://"+ports[0], "http://"+ports[1]
	cmd := exec.Command(path, "--data-dir", data, "--log-level", "error",
		"--listen-client-urls", client, "--advertise-client-urls", client,
		"--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", "default="+peer)
	cmd.Stdout, cmd.Stderr = io.Discard, io.Discard
	if err := startOwned(s, cmd); err != nil {
		return "", err
	}
	return ports[0], awaitPort(ctx, ports[0])
}

// Memory is a directory in memory where the system has that.
func Memory() string {
	if info, err := os.Stat("/dev/shm"); err == nil && info.IsDir() {
		return "/dev/shm"
	}
	return os.TempDir()
}

// startOwned starts a process that ends with the scope. Its thread must live as long as it does: see realzk.
func startOwned(s *Scope, cmd *exec.Cmd) error {
	ownDeath(cmd)
	begun, ended := make(chan error, 1), make(chan struct{})
	go func() {
		defer close(ended)
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		begun <- err
		if err == nil {
			_ = cmd.Wait()
		}
	}()
	if err := <-begun; err != nil {
		return err
	}
	s.Defer(func() error {
		err := cmd.Process.Kill()
		<-ended
		if errors.Is(err, os.ErrProcessDone) {
			return fmt.Errorf("%s ended by itself: %s", cmd.Path, cmd.ProcessState)
		}
		return err
	})
	return nil
}

func freePorts(n int) (addrs []string, err error) {
	for range n {
		l, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close()
		addrs = append(addrs, l.Addr().String())
	}
	return addrs, nil
}

// awaitPort waits until somebody listens.
func awaitPort(ctx context.Context, addr string) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	poll := time.NewTicker(20 * time.Millisecond)
	defer poll.Stop()
	for {
		conn, err := net.Dial("tcp4", addr)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-poll.C:
		case <-ctx.Done():
			return fmt.Errorf("nobody listens on %s: %w", addr, err)
		}
	}
}

// Watches asks a ZooKeeper server how many watches it has.
func Watches(addr string) (watches int, err error) {
	conn, err := net.Dial("tcp4", addr)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "mntr"); err != nil {
		return 0, err
	}
	answer, err := io.ReadAll(conn)
	if err != nil {
		return 0, err
	}
	for l := range strings.Lines(string(answer)) {
		if _, err := fmt.Sscanf(l, "zk_watch_count\t%d", &watches); err == nil {
			return watches, nil
		}
	}
	return 0, fmt.Errorf("%s does not say how many watches it has", addr)
}
