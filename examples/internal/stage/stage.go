package stage

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/zktest"
)

// The exit status of an example.
const (
	Held   = 0 // every promise was kept
	Broken = 1 // a promise was not kept
	Untold = 2 // the story could not be told
)

// patience bounds a whole story, cleanup what is removed behind it.
const (
	patience = 5 * time.Minute
	cleanup  = 30 * time.Second
)

// Tell tells a story. Its error says that it could not be told.
type Tell func(ctx context.Context, s *Stage) error

// Stage is where a story is told. Its methods are for one goroutine.
type Stage struct {
	// Name is the example's name, for messages.
	Name string
	// Out is what the story is written to.
	Out io.Writer
	// ConnectString says where ZooKeeper is. If it is empty, Play starts a server and fills it in.
	ConnectString string
	// Timeout is the session timeout to ask for.
	Timeout time.Duration
	// Namespace is the node below which everything of this story is, for framework.Config. Play fills it in.
	Namespace string
	// Server is the server in this process. It is nil on a real ensemble.
	Server *zktest.Server

	began  time.Time // of the present scene
	broken int       // promises
}

// Main tells the story of the example with the given name, as the command line says, and ends the process.
func Main(name string, tell Tell) {
	zk := flag.String("zk", "", "connect string of a real ensemble, host:port,host:port; empty starts a server in this process")
	timeout := flag.Duration("timeout", 2*time.Second, "session timeout to ask for")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	status := (&Stage{Name: name, Out: os.Stdout, ConnectString: *zk, Timeout: *timeout}).Play(ctx, tell)
	stop()
	os.Exit(status)
}

// Play tells a story and returns the exit status.
func (s *Stage) Play(ctx context.Context, tell Tell) int {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := s.play(ctx, tell); err != nil {
		fmt.Fprintf(s.Out, "\n%s: %v\n", s.Name, err)
		return Untold
	}
	if s.broken > 0 {
		fmt.Fprintf(s.Out, "\n%d of the promises above did not hold.\n", s.broken)
		return Broken
	}
	fmt.Fprintln(s.Out, "\nEverything held.")
	return Held
}

func (s *Stage) play(ctx context.Context, tell Tell) error {
	where := "the ensemble at " + s.ConnectString
	if s.ConnectString == "" {
		server, err := zktest.Start(zktest.Config{})
		if err != nil {
			return err
		}
		defer server.Close()
		s.Server, s.ConnectString = server, server.ConnectString()
		where = "a ZooKeeper-protocol server inside this process, " + s.ConnectString
	}
	s.Namespace = fmt.Sprintf("docent-%s-%d-%d", s.Name, os.Getpid(), time.Now().UnixNano())
	s.began = time.Now()
	fmt.Fprintf(s.Out, "docent on %s\n", where)
	err := tell(ctx, s)
	if s.Server == nil && ctx.Err() == nil {
		err = cmp.Or(err, s.sweep()) // a story that could not be told has said what is wrong
	}
	return err
}

// sweep removes what the story has left on an ensemble.
func (s *Stage) sweep() error {
	ctx, cancel := context.WithTimeout(context.Background(), cleanup)
	defer cancel()
	cli, err := framework.New(framework.Config{ConnectString: s.ConnectString, SessionTimeout: s.Timeout})
	if err != nil {
		return err
	}
	return errors.Join(remove(ctx, cli, "/"+s.Namespace), cli.Close())
}

// remove deletes a node and everything below it. That it is gone already is no error.
func remove(ctx context.Context, cli *framework.Client, path string) error {
	names, _, err := cli.Children(ctx, path)
	for _, name := range names {
		err = errors.Join(err, remove(ctx, cli, framework.Join(path, name)))
	}
	if err == nil {
		err = cli.Delete(ctx, path, framework.AnyVersion)
	}
	if errors.Is(err, framework.ErrNoNode) {
		return nil
	}
	return err
}

// Title begins a scene.
func (s *Stage) Title(text string) {
	fmt.Fprintf(s.Out, "\n%s\n", text)
	s.began = time.Now()
}

// Say tells what happened now.
func (s *Stage) Say(format string, args ...any) { s.SayAt(time.Now(), format, args...) }

// SayAt tells what happened, and when since the scene began.
func (s *Stage) SayAt(when time.Time, format string, args ...any) {
	fmt.Fprintf(s.Out, "   %6dms  %s\n", when.Sub(s.began).Milliseconds(), fmt.Sprintf(format, args...))
}

// Promise tells what the scene shows, and whether it was so.
func (s *Stage) Promise(kept bool, format string, args ...any) {
	verdict := "ok    "
	if !kept {
		verdict = "FAILED"
		s.broken++
	}
	fmt.Fprintf(s.Out, "   %s    %s\n", verdict, fmt.Sprintf(format, args...))
}

// Close closes a client behind a story, and tells if that fails.
func (s *Stage) Close(name string, cli io.Closer) {
	if err := cli.Close(); err != nil {
		fmt.Fprintf(s.Out, "   %s closes: %v\n", name, err)
	}
}

// Earlier returns the earlier of two times.
func Earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// Await returns the next value of a channel that is wanted, or the cause of ctx, or an error if the channel is closed.
func Await[T any](ctx context.Context, news <-chan T, wanted func(T) bool) (T, error) {
	for {
		select {
		case v, open := <-news:
			if !open {
				return v, errors.New("there is no more news")
			}
			if wanted(v) {
				return v, nil
			}
		case <-ctx.Done():
			var none T
			return none, fmt.Errorf("what was waited for did not happen: %w", context.Cause(ctx))
		}
	}
}

// Outcome is what a call in the background has come to, and when.
type Outcome[T any] struct {
	Value T
	Err   error
	When  time.Time
}

// Go calls in the background. Whoever does not wait for the outcome sees to it that the call ends.
func Go[T any](call func() (T, error)) <-chan Outcome[T] {
	outcome := make(chan Outcome[T], 1)
	go func() {
		value, err := call()
		outcome <- Outcome[T]{value, err, time.Now()}
	}()
	return outcome
}

// Queued waits until n stand in the queue of a lock or an election, whose node exists: it may be another client's, so
// that the server of cli is told to catch up first.
func Queued(ctx context.Context, cli *framework.Client, path string, n int) error {
	if err := cli.Sync(ctx, path); err != nil {
		return err
	}
	for {
		names, _, changed, err := cli.WatchChildren(ctx, path)
		if err != nil {
			return err
		}
		if len(names) >= n {
			changed.Stop()
			return nil
		}
		select {
		case <-changed.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// Reason is a cause in a few words: the sentinel of package framework that it wraps, if there is one.
func Reason(err error) string {
	for _, known := range []error{framework.ErrUntrusted, framework.ErrSessionLost, framework.ErrSuspended, framework.ErrClosed} {
		if errors.Is(err, known) {
			return known.Error()
		}
	}
	return fmt.Sprint(err)
}
