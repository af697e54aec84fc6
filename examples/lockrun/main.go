// Lockrun runs a command under a lock, on one machine of many at a time, as flock(1) does on one machine:
//
//	lockrun -zk zk1:2181,zk2:2181 /locks/nightly ./report.sh --all
//	lockrun -zk zk1:2181 -n 3 -wait 10s /locks/import ./import    # at most three at a time
//	go run ./examples/lockrun                                     # without arguments: a demonstration
//
// Standard input, output and error are the command's. Its environment has DOCENT_LOCK, the path of the lock, and
// DOCENT_TOKEN, the fencing token, which grows from holder to holder: give it to whatever the command writes to. The lock is
// given back when the command has ended; processes that it leaves behind are not waited for.
//
// # When the lock is lost
//
// Lockrun stops the command when the lock can no longer be relied on: the connection broke (with -hold: for so long that the
// session may soon be over), somebody deleted the lock's node, the session was ended. The command's process group gets SIGTERM,
// and SIGKILL after -kill-after. By default that is a fifth of the session timeout; a lock held with -hold is given up a
// quarter of it before anybody else can have it, so the command is dead by then. A command that leaves its process group is
// not reached. When lockrun itself is killed (SIGKILL), Linux kills the command, and not its children.
//
// SIGINT, SIGTERM, SIGHUP and SIGQUIT are passed on to the process group; while lockrun waits for the lock they end it. A
// terminal is the command's while it runs, and its suspend key has no effect: a stopped command would keep the lock.
// Windows has no such signals and groups: there the command is ended at once, and its children are not.
//
// # Exit status
//
//	the command's   it ended by itself; 128+n if signal n ended it
//	74              the lock was lost while the command ran, whatever it ended with
//	75              the lock was not to be had in time; -E changes it
//	125             lockrun was called wrongly, or the servers refused it
//	126, 127        the command could not be run, could not be found
//	128+n           signal n ended lockrun while it waited for the lock
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"time"
)

// The exit status, where it is not the command's.
const (
	statusLost     = 74  // EX_IOERR
	statusConflict = 75  // EX_TEMPFAIL, unless -E says otherwise
	statusFailed   = 125 // as timeout(1), env(1) and others
	statusNoRun    = 126
	statusNotFound = 127
	statusSignal   = 128 // and the signal's number
)

func main() {
	if os.Getenv(workerEnv) != "" {
		os.Exit(work(os.Args[1:]))
	}
	if len(os.Args) == 1 {
		os.Exit(demonstrate(context.Background(), os.Stdout))
	}
	o, err := parse(os.Args[1:], os.Stderr)
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "lockrun:", err)
		os.Exit(statusFailed)
	}
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, forwarded...)
	os.Exit((&runner{options: o, stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, signals: signals}).run())
}

// options is the command line.
type options struct {
	zk        string
	timeout   time.Duration
	hold      bool
	wait      time.Duration // negative: for ever
	permits   int           // 0: a mutex
	killAfter time.Duration // 0: a fifth of the session timeout
	conflict  int
	path      string
	command   []string
}

func parse(args []string, usage io.Writer) (options, error) {
	o := options{}
	f := flag.NewFlagSet("lockrun", flag.ContinueOnError)
	f.SetOutput(usage)
	f.StringVar(&o.zk, "zk", "127.0.0.1:2181", "connect string, host:port,host:port/chroot")
	f.DurationVar(&o.timeout, "timeout", 10*time.Second, "session timeout to ask for")
	f.BoolVar(&o.hold, "hold", false, "keep the lock while the connection is away, for as long as nobody else can have it")
	f.DurationVar(&o.wait, "wait", -1, "how long to wait for the lock; 0 tries once, negative waits for ever")
	f.IntVar(&o.permits, "n", 0, "let so many hold the lock at a time (a semaphore); 0 is one, with a mutex")
	f.DurationVar(&o.killAfter, "kill-after", 0, "time between SIGTERM and SIGKILL when the lock was lost; 0 is a fifth of the session timeout")
	f.IntVar(&o.conflict, "E", statusConflict, "exit status when the lock was not to be had in time")
	f.Usage = func() {
		fmt.Fprintln(usage, "usage: lockrun [flags] /path command [argument ...]")
		f.PrintDefaults()
	}
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if f.NArg() < 2 {
		return o, errors.New("a path and a command are needed, see lockrun -h")
	}
	o.path, o.command = f.Arg(0), f.Args()[1:]
	return o, o.validate()
}

func (o options) validate() error {
	switch {
	case !strings.HasPrefix(o.path, "/"):
		return fmt.Errorf("the path of the lock, %q, must begin with a slash", o.path)
	case o.permits < 0:
		return fmt.Errorf("-n is %d, and cannot be negative", o.permits)
	case o.killAfter < 0:
		return fmt.Errorf("-kill-after is %v, and cannot be negative", o.killAfter)
	case o.conflict < 0 || o.conflict > 255:
		return fmt.Errorf("-E is %d, and must be between 0 and 255", o.conflict)
	}
	return nil
}
