//go:build unix

package lock_test

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/test/realzk"
	"github.com/docent-zk/docent/lock"
	"github.com/docent-zk/docent/zktest"
)

var stops = flag.Int("lock.stops", 4, "how many processes are stopped in TestLooksOfStoppedProcesses; from 100 on, how soon Done is closed is judged as well")

// Processes that hold locks are cut off from the servers, stopped until trust has passed, and go on. Whatever they look at
// says that it is over, from the first look on. Done is closed soon.
func TestLooksOfStoppedProcesses(t *testing.T) {
	s, err := zktest.Start(zktest.Config{})
	require.NoError(t, err)
	defer func() { assert.NoError(t, s.Close()) }()
	stopProcesses(t, s.Addrs()[0], "", *stops)
}

func TestRealLooksOfStoppedProcesses(t *testing.T) {
	space := realzk.Shared(t)
	stopProcesses(t, space.Addr(), space.Root(), 2)
}

// stopProcesses plays n times, some at once.
func stopProcesses(t *testing.T, addr, root string, n int) {
	t.Helper()
	const atOnce = 4
	var (
		all   sync.WaitGroup
		room  = make(chan struct{}, atOnce)
		ended = make([]time.Duration, n)
		looks atomic.Int64
	)
	for i := range n {
		room <- struct{}{}
		all.Go(func() {
			defer func() { <-room }()
			t.Run(strconv.Itoa(i), func(t *testing.T) {
				r := stopProcess(t, addr, root, i)
				assert.Zero(t, r.wrong, "looks after the end of trust that found the lock held, of %d", r.looks)
				looks.Add(r.looks)
				ended[i] = r.done
			})
		})
	}
	all.Wait()
	slices.Sort(ended)
	p99 := ended[(n*99+99)/100-1]
	t.Logf("%d processes, %d looks after the end of trust; Done closed after p50 %v, p99 %v, at most %v", n, looks.Load(), ended[n/2], p99, ended[n-1])
	if n >= 100 {
		assert.LessOrEqual(t, p99, 10*time.Millisecond)
	}
}

// stopping is what one stopped process has come to.
type stopping struct {
	looks, wrong int64
	done         time.Duration // from when it went on until Done was closed
}

// stopProcess stops a process at one of several moments of a partition, and has it go on at one of several moments behind the end of trust.
func stopProcess(t *testing.T, addr, root string, i int) (r stopping) {
	t.Helper()
	proxy := realzk.NewProxy(t, addr)
	child := startChild(t, proxy.Addr()+root, roleEnv+"=looks", fmt.Sprintf("%s=%s/%d", pathEnv, path, i))
	child.line(t) // holds
	proxy.Blackhole(realzk.Both)
	child.say(t, "until")
	var until int64
	child.hear(t, "until %d", &until)
	trusted := time.Unix(0, until)
	stop := trusted.Add(-realTimeout * 3 / 4).Add([]time.Duration{0, realTimeout * 3 / 10, realTimeout * 6 / 10, realTimeout * 7 / 10}[i%4])
	<-time.After(time.Until(stop))
	assert.NoError(t, child.cmd.Process.Signal(syscall.SIGSTOP))
	<-time.After(time.Until(trusted) + []time.Duration{time.Millisecond, 5 * time.Millisecond, realTimeout / 10, realTimeout / 3}[i/4%4])
	child.say(t, "look")
	on := time.Now()
	assert.NoError(t, child.cmd.Process.Signal(syscall.SIGCONT))
	var end int64
	child.hear(t, "looks %d wrong %d end %d", &r.looks, &r.wrong, &end)
	r.done = time.Unix(0, end).Sub(on)
	return r
}

// The child of stopProcess plays the role that this variable names, on the path in the other one.
const (
	roleEnv = "DOCENT_LOCK_ROLE"
	pathEnv = "DOCENT_LOCK_PATH"
)

// looker is a process that holds a lock and looks at it all the time.
type looker struct {
	held         *lock.Held
	looks, wrong atomic.Int64 // that were begun after trust had passed
}

// lookOn locks and looks, in every way, until it is over.
func lookOn(connect string) error {
	cli, err := framework.New(framework.Config{ConnectString: connect, SessionTimeout: realTimeout})
	if err != nil {
		return err
	}
	held, err := lock.New(cli, os.Getenv(pathEnv), lock.Hold(0)).Lock(context.Background())
	if err != nil {
		return err
	}
	l := &looker{held: held}
	done, end := held.Context().Done(), make(chan time.Time, 1)
	go func() {
		<-done
		end <- time.Now()
	}()
	fmt.Println("holds", held.Token())
	words := bufio.NewReader(os.Stdin)
	if _, err := words.ReadString('\n'); err != nil {
		return err
	}
	fmt.Println("until", held.TrustedUntil().UnixNano())
	var all sync.WaitGroup
	for _, look := range []func() bool{l.err, l.check, l.multi, l.cause} {
		all.Go(func() {
			tick := time.NewTicker(time.Millisecond)
			defer tick.Stop()
			for l.look(look) {
				<-tick.C
			}
		})
	}
	_, _ = words.ReadString('\n') // comes while this process is stopped
	for _, look := range []func() bool{l.multi, l.check, l.cause, l.err} {
		l.look(look)
	}
	at := <-end
	all.Wait()
	fmt.Println("looks", l.looks.Load(), "wrong", l.wrong.Load(), "end", at.UnixNano())
	return nil
}

// look counts a look that begins after the end of trust.
func (l *looker) look(held func() bool) bool {
	late := !time.Now().Before(l.held.TrustedUntil())
	found := held()
	if late {
		l.looks.Add(1)
		if found {
			l.wrong.Add(1)
		}
	}
	return found
}

func (l *looker) err() bool   { return l.held.Context().Err() == nil }
func (l *looker) cause() bool { return context.Cause(l.held.Context()) == nil }
func (l *looker) check() bool { return l.held.Check().Path() == l.held.Path() }

// multi is refused without asking, or is on its way for as long as the partition lasts.
func (l *looker) multi() bool {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	_, err := l.held.Multi(ctx, nil)
	return !errors.Is(err, lock.ErrNotHeld)
}
