package main

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/docent-zk/docent/framework"
)

// app is one run of the command.
type app struct {
	*system
	out     *printer
	flags   globals
	asJSON  bool
	timeout time.Duration
	started bool // the command line was understood
}

// run runs the command line and returns the exit code.
func (s *system) run(args []string) int {
	a := &app{system: s, out: newPrinter(s.stdout)}
	root := a.command()
	root.SetArgs(append([]string{}, args...)) // never nil, which would stand for the arguments of the process
	root.SetIn(s.stdin)
	root.SetOut(s.stdout)
	root.SetErr(s.stderr)
	cmd, err := root.ExecuteContextC(context.Background())
	if flushed := a.out.flush(); err == nil {
		err = flushed
	}
	if err != nil && !a.started {
		err = usageOf(cmd, err)
	}
	a.complain(err)
	return exitCode(err)
}

// usageOf makes err, which came from cobra before the command was started, an error of usage.
func usageOf(cmd *cobra.Command, err error) error {
	err = fmt.Errorf("%w\nSee '%s --help'", err, cmd.CommandPath())
	if cmd.Annotations[runsAnother] != "" {
		return &exitError{code: exitOwn, err: err}
	}
	return &exitError{code: exitUsage, err: err}
}

// complain says on standard error why the command has failed.
func (a *app) complain(err error) {
	var known *exitError
	if err == nil || brokenPipe(err) || errors.As(err, &known) && known.err == nil {
		return
	}
	lines := strings.Split(err.Error(), "\n")
	for i := range lines {
		lines[i] = safe(lines[i])
	}
	fmt.Fprintf(a.stderr, "docent: %s\n", strings.Join(lines, "\n"))
}

const long = `Docent works with the locks, elections, services and nodes of a ZooKeeper ensemble.

Every global flag can be set by an environment variable, which its description names. Credentials are
never given on the command line, where everybody on the machine can see them: a flag names a file or an
environment variable that has them.

The exit codes are listed in docs/command.md.`

// command is the whole tree of commands.
func (a *app) command() *cobra.Command {
	root := &cobra.Command{
		Use: "docent", Short: "A command for ZooKeeper", Long: long, Version: version(),
		SilenceErrors: true, SilenceUsage: true, TraverseChildren: true, SuggestionsMinimumDistance: 2,
		Args: cobra.ArbitraryArgs, RunE: unknown,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error { return a.flags.fromEnvironment(cmd, a.getenv) },
	}
	a.flags.register(root)
	root.PersistentFlags().BoolVar(&a.asJSON, "json", false, "print JSON, for programs")
	root.PersistentFlags().DurationVar(&a.timeout, "timeout", 10*time.Second,
		"how long to wait for the servers, to connect and to answer [DOCENT_TIMEOUT]")
	root.AddGroup(&cobra.Group{ID: "run", Title: "Run a command:"}, &cobra.Group{ID: "look", Title: "Look around:"},
		&cobra.Group{ID: "node", Title: "Nodes:"})
	for group, commands := range map[string][]*cobra.Command{
		"run":  {a.lockCommand(), a.electCommand(), a.semaphoreCommand()},
		"look": {a.whoCommand(), a.servicesCommand(), a.doctorCommand()},
		"node": {
			a.lsCommand(), a.getCommand(), a.setCommand(), a.createCommand(), a.treeCommand(), a.watchCommand(), a.removeCommand(),
		},
	} {
		for _, c := range commands {
			c.GroupID = group
			c.Long = fold(c.Long)
			root.AddCommand(c)
		}
	}
	return root
}

// fold breaks lines that are longer than a terminal is wide.
func fold(text string) string {
	const width = 100
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		column := 0
		var b strings.Builder
		for word := range strings.SplitSeq(line, " ") {
			switch {
			case b.Len() == 0:
			case column+1+len(word) > width:
				b.WriteByte('\n')
				column = 0
			default:
				b.WriteByte(' ')
				column++
			}
			b.WriteString(word)
			column += len(word)
		}
		if len(line) > width {
			lines[i] = b.String()
		}
	}
	return strings.Join(lines, "\n")
}

// unknown is run when no command was named, or one that does not exist.
func unknown(root *cobra.Command, args []string) error {
	if len(args) == 0 {
		return root.Help()
	}
	err := fmt.Errorf("unknown command %q", args[0])
	if similar := root.SuggestionsFor(args[0]); len(similar) > 0 {
		err = fmt.Errorf("%w; did you mean %s?", err, strings.Join(similar, " or "))
	}
	return err
}

// version is that of the module, as go install knows it.
func version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "unknown"
}

// action makes a RunE of f, which runs with a client whose session is closed afterwards, and with a ctx that a signal ends.
// --timeout bounds each operation of the client.
func (a *app) action(f func(ctx context.Context, cli *framework.Client, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		a.started = true
		ctx, stop := a.interruptible(cmd.Context())
		defer stop()
		cfg, err := a.config()
		if err != nil {
			return err
		}
		cli, err := framework.New(cfg)
		if err != nil {
			return &exitError{code: exitUsage, err: err}
		}
		defer cli.Close() // all that it could say is that a recipe goes on, and none does
		if err := a.connect(ctx, cli); err != nil {
			return err
		}
		return f(ctx, cli, args)
	}
}

// connect waits for a connection for as long as --timeout says.
func (a *app) connect(ctx context.Context, cli *framework.Client) error {
	ctx, cancel := context.WithTimeout(ctx, a.timeout)
	defer cancel()
	err := cli.WaitConnected(ctx)
	var signal interrupted
	if err == nil || errors.As(err, &signal) || errors.Is(err, framework.ErrAuthFailed) {
		return err
	}
	return fmt.Errorf("%w\nRun 'docent doctor' to find out more", err)
}

// node is the path that an argument names.
func node(arg string) (string, error) {
	if err := framework.ValidatePath(arg); err != nil {
		return "", &exitError{code: exitUsage, err: err}
	}
	return framework.Abs(arg), nil
}

// oneNode is the path that the only argument names, the root if there is none.
func oneNode(args []string) (string, error) {
	if len(args) == 0 {
		return "/", nil
	}
	return node(args[0])
}

// parallel calls f with 0 to n-1, several at a time, and returns the first error, after which it calls f no more.
func parallel(n int, f func(i int) error) error {
	const workers = 16
	var (
		mu    sync.Mutex
		next  int
		first error
		wg    sync.WaitGroup
	)
	take := func() (int, bool) {
		mu.Lock()
		defer mu.Unlock()
		if next == n || first != nil {
			return 0, false
		}
		next++
		return next - 1, true
	}
	for range min(workers, n) {
		wg.Go(func() {
			for i, more := take(); more; i, more = take() {
				if err := f(i); err != nil {
					mu.Lock()
					if first == nil {
						first = err
					}
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	return first
}
