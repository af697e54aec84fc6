package kit

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"slices"
	"strings"
	"time"

	"github.com/docent-zk/docent/bench/suite/line"
)

// Workload is work that has been prepared.
type Workload interface {
	// Run does the work for d, or once if d is 0.
	Run(ctx context.Context, d time.Duration, args line.Args) (line.Answer, error)
	// Close gives back what Prepare has opened.
	Close() error
}

// Opener prepares a workload.
type Opener func(ctx context.Context, args line.Args) (Workload, error)

// Peer is a program that serves workloads.
type Peer struct {
	version string
	openers map[string]Opener
	open    map[string]Workload
}

// SessionTimeout is that of every peer, also of those that are not written in Go: long enough that nothing ends by itself.
const SessionTimeout = 20 * time.Second

// ProfileEnv names the environment variable with a directory for the profiles of every peer in Go.
const ProfileEnv = "DOCENT_BENCH_PROFILE"

// Main serves standard input until it ends.
func Main(version string, openers map[string]Opener) {
	stop, err := profile(os.Getenv(ProfileEnv))
	if err == nil {
		err = errors.Join(line.Serve(os.Stdin, os.Stdout, New(version, openers).Handle), stop())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// profile writes what the process does and allocates from now on into a directory, unless that is empty.
func profile(dir string) (stop func() error, err error) {
	if dir == "" {
		return func() error { return nil }, nil
	}
	name := filepath.Join(dir, fmt.Sprintf("%s-%d", filepath.Base(os.Args[0]), os.Getpid()))
	work, err := os.Create(name + "-cpu.pprof")
	if err != nil {
		return nil, err
	}
	memory, err := os.Create(name + "-allocs.pprof")
	if err == nil {
		err = pprof.StartCPUProfile(work)
	}
	if err != nil {
		return nil, errors.Join(err, work.Close())
	}
	return func() error {
		pprof.StopCPUProfile()
		return errors.Join(pprof.Lookup("allocs").WriteTo(memory, 0), work.Close(), memory.Close())
	}, nil
}

// New returns a peer for tests, which call Handle.
func New(version string, openers map[string]Opener) *Peer {
	return &Peer{version: version, openers: openers, open: map[string]Workload{}}
}

// limit bounds a command. The benchmark itself gives up earlier.
const limit = 10 * time.Minute

// Handle does one command.
func (p *Peer) Handle(c line.Command) (line.Answer, error) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	switch c.Verb {
	case line.Hello:
		return line.Answer{Text: map[string]string{
			"version":   p.version,
			"runtime":   runtime.Version(),
			"workloads": strings.Join(slices.Sorted(maps.Keys(p.openers)), " "),
		}}, nil
	case line.Prepare:
		return line.Answer{}, p.prepare(ctx, c)
	}
	w := p.open[c.Workload]
	if w == nil {
		return line.Answer{}, fmt.Errorf("%s is not prepared", c.Workload)
	}
	switch c.Verb {
	case line.Run:
		return w.Run(ctx, c.For, c.Args)
	case line.End:
		delete(p.open, c.Workload)
		return line.Answer{}, w.Close()
	}
	return line.Answer{}, fmt.Errorf("there is no command %q", c.Verb)
}

func (p *Peer) prepare(ctx context.Context, c line.Command) error {
	name, _, _ := strings.Cut(c.Workload, "#")
	opener := p.openers[name]
	if opener == nil {
		return fmt.Errorf("there is no workload %q", c.Workload)
	}
	if p.open[c.Workload] != nil {
		return fmt.Errorf("%s is prepared already", c.Workload)
	}
	w, err := opener(ctx, c.Args)
	if err != nil {
		return err
	}
	p.open[c.Workload] = w
	return nil
}
