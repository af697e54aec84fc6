package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/leader"
	"github.com/docent-zk/docent/lock"
)

// runsAnother marks a command that runs another one, which the exit codes depend on.
const runsAnother = "runs another command"

const holdLong = `

COMMAND has standard input, output and error. Its environment has DOCENT_PATH, which is PATH, and
DOCENT_TOKEN, the fencing token, which grows from holder to holder: pass it to whatever COMMAND writes to.
SIGINT, SIGTERM, SIGHUP and SIGQUIT are passed on to COMMAND and its children. While nothing is held, they
end docent.

What is held counts as lost when the connection breaks (with --hold: when the session may be over soon),
when the session has ended, or when somebody has deleted the node. COMMAND and its children then get
SIGTERM, and SIGKILL after --kill-after.

The exit code is that of COMMAND, or
  74        what was held was lost while COMMAND ran
  75        it could not be acquired within --wait
  125       docent was called wrongly, or the servers refused
  126, 127  COMMAND could not be run, or not be found
  128+n     signal n ended COMMAND, or docent while it waited`

// lockCommand runs a command under a lock.
func (a *app) lockCommand() *cobra.Command {
	h := &holder{app: a, what: "the lock"}
	var read, write bool
	cmd := h.command("lock PATH COMMAND [ARG...]", "Run a command while holding a lock",
		"Lock waits until it holds the lock at PATH, runs COMMAND, and releases the lock when COMMAND has ended. "+
			"It excludes docent's lock.Mutex and Curator's InterProcessMutex; see also --shared, --read and --write.")
	f := cmd.Flags()
	f.BoolVar(&h.shared, "shared", false, "exclude Curator, kazoo and zk.Lock at once (lock.Shared)")
	f.BoolVar(&read, "read", false, "hold the read lock of a read/write lock (lock.RWMutex)")
	f.BoolVar(&write, "write", false, "hold its write lock")
	cmd.MarkFlagsMutuallyExclusive("read", "write")
	h.acquire = func(ctx context.Context, cli *framework.Client) (claim, error) {
		return h.lock(ctx, cli, read, write)
	}
	return cmd
}

// semaphoreCommand runs a command under a semaphore.
func (a *app) semaphoreCommand() *cobra.Command {
	h := &holder{app: a, what: "the semaphore"}
	var limit, permits int
	cmd := h.command("semaphore PATH COMMAND [ARG...]", "Run a command while holding permits of a semaphore",
		"Semaphore waits until it holds --permits of the --limit permits of the semaphore at PATH, runs COMMAND, and releases "+
			"the permits when COMMAND has ended. All users of PATH must give the same --limit. "+
			"It shares permits with docent's lock.Semaphore and Curator's InterProcessSemaphoreV2.")
	f := cmd.Flags()
	f.IntVarP(&limit, "limit", "n", 0, "number of permits that there are (required)")
	f.IntVar(&permits, "permits", 1, "number of permits to hold")
	_ = cmd.MarkFlagRequired("limit") // it fails only for a flag that does not exist
	h.check = func() error {
		if limit < 1 || permits < 1 || permits > limit {
			return fmt.Errorf("--limit is %d and --permits is %d; both must be positive, and --permits at most --limit", limit, permits)
		}
		return nil
	}
	h.acquire = func(ctx context.Context, cli *framework.Client) (claim, error) {
		s := lock.NewSemaphore(cli, h.path, limit, h.lockOptions()...)
		acquire := s.Acquire
		if h.wait == 0 {
			acquire = s.TryAcquire
		}
		b, err := acquire(ctx, permits)
		if err != nil {
			return claim{}, err
		}
		return claim{context: b.Context, release: b.Unlock, token: b.Tokens()[0]}, nil
	}
	return cmd
}

// electCommand runs a command while it leads.
func (a *app) electCommand() *cobra.Command {
	h := &holder{app: a, what: "leadership"}
	var once bool
	cmd := h.command("elect PATH COMMAND [ARG...]", "Run a command while leading",
		"Elect campaigns in the election at PATH and runs COMMAND while it leads. When COMMAND ends by itself, elect resigns and "+
			"ends. When leadership is lost, elect stops COMMAND and campaigns again, unless --once is given. "+
			"It takes part in elections of docent's package leader and Curator's LeaderLatch; see also --shared.")
	f := cmd.Flags()
	f.BoolVar(&once, "once", false, "end when leadership is lost, with exit code 74")
	f.BoolVar(&h.shared, "shared", false, "exclude LeaderSelector and kazoo's Election as well (leader.Shared)")
	h.check = func() error {
		h.again = !once
		return nil
	}
	h.acquire = func(ctx context.Context, cli *framework.Client) (claim, error) {
		opts := []leader.Option{leader.WithID(h.label)}
		if h.hold {
			opts = append(opts, leader.Hold(0))
		}
		if h.shared {
			opts = append(opts, leader.Shared())
		}
		term, err := leader.New(cli, h.path, opts...).Campaign(ctx)
		if err != nil {
			return claim{}, err
		}
		return claim{context: term.Context, release: term.Resign, token: term.Token()}, nil
	}
	return cmd
}

// command makes the part that all three have in common.
func (h *holder) command(use, short, text string) *cobra.Command {
	cmd := &cobra.Command{
		Use: use, Short: short, Long: text + holdLong, Args: cobra.MinimumNArgs(2), ValidArgsFunction: h.completePath,
		Annotations: map[string]string{runsAnother: "yes"},
	}
	f := cmd.Flags()
	f.SetInterspersed(false)
	f.BoolVar(&h.hold, "hold", false, "keep what is held while the connection is away, for as long as nobody else can have it")
	f.DurationVar(&h.wait, "wait", -1, "how long to wait; 0 tries once, a negative duration waits for ever")
	f.DurationVar(&h.killAfter, "kill-after", 0, "time between SIGTERM and SIGKILL after a loss; 0 is a fifth of the session timeout")
	f.IntVarP(&h.conflict, "conflict-exit-code", "E", exitNotHeld, "exit code when it could not be acquired within --wait")
	f.StringVar(&h.label, "label", h.system.label, "what the node says about this process, for who")
	if h.what == "leadership" {
		f.Lookup("wait").Usage = "how long to campaign at a time; a negative duration campaigns for ever"
	}
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		h.started = true
		if err := h.understand(args); err != nil {
			return &exitError{code: exitOwn, err: err}
		}
		if code := h.run(); code != 0 {
			return &exitError{code: code}
		}
		return nil
	}
	return cmd
}

// understand checks the command line.
func (h *holder) understand(args []string) error {
	path, err := node(args[0])
	if err != nil {
		return err
	}
	h.path, h.argv = path, args[1:]
	if h.argv[0] == "--" {
		h.argv = h.argv[1:]
	}
	switch {
	case len(h.argv) == 0:
		return fmt.Errorf("there is no command to run")
	case path == "/":
		return fmt.Errorf("the root cannot be used as the path")
	case h.killAfter < 0:
		return fmt.Errorf("--kill-after is %v; it cannot be negative", h.killAfter)
	case h.conflict < 0 || h.conflict > 255:
		return fmt.Errorf("--conflict-exit-code is %d; it must be between 0 and 255", h.conflict)
	case h.what == "leadership" && h.wait == 0:
		return fmt.Errorf("--wait is 0; elect cannot try without waiting")
	case h.check != nil:
		return h.check()
	}
	return nil
}

func (h *holder) lockOptions() []lock.Option {
	opts := []lock.Option{lock.WithData([]byte(h.label))}
	if h.hold {
		opts = append(opts, lock.Hold(0))
	}
	if h.shared {
		opts = append(opts, lock.Shared())
	}
	return opts
}

// lock acquires the mutex, or a side of the read/write lock.
func (h *holder) lock(ctx context.Context, cli *framework.Client, read, write bool) (claim, error) {
	mutex, rw := lock.New(cli, h.path, h.lockOptions()...), lock.NewRW(cli, h.path, h.lockOptions()...)
	acquire, try := mutex.Lock, mutex.TryLock
	switch {
	case read:
		acquire, try = rw.RLock, rw.TryRLock
	case write:
		acquire, try = rw.Lock, rw.TryLock
	}
	if h.wait == 0 {
		acquire = try
	}
	held, err := acquire(ctx)
	if err != nil {
		return claim{}, err
	}
	return claim{context: held.Context, release: held.Unlock, token: held.Token()}, nil
}

// claim is what a command runs under.
type claim struct {
	context func() context.Context // ends when it can no longer be relied on
	release func(ctx context.Context) error
	token   int64
}

// holder runs a command under a claim.
type holder struct {
	*app
	what    string // names the claim in messages
	acquire func(ctx context.Context, cli *framework.Client) (claim, error)
	check   func() error // of the flags of one command; may be nil
	again   bool         // acquire it again when it was lost

	hold      bool
	shared    bool
	wait      time.Duration // negative: for ever
	killAfter time.Duration // 0: a fifth of the session timeout
	conflict  int
	label     string
	path      string
	argv      []string
}
