package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/docent-zk/docent/framework"
)

// removeCommand deletes nodes.
func (a *app) removeCommand() *cobra.Command {
	var recursive, yes bool
	var expected int32
	cmd := &cobra.Command{
		Use: "rm PATH", Short: "Delete a node", Args: cobra.ExactArgs(1), ValidArgsFunction: a.completePath,
		Long: "Rm deletes PATH, which must not have children. With --recursive it deletes PATH and everything below it.\n\n" +
			"It refuses the root of the namespace, and ZooKeeper's own nodes below /zookeeper. With --recursive it asks first; " +
			"where nobody can answer, it needs --yes. The nodes are not deleted as one change: when rm fails, a part of them has gone.",
	}
	f := cmd.Flags()
	f.BoolVarP(&recursive, "recursive", "r", false, "delete everything below the node as well")
	f.BoolVarP(&yes, "yes", "y", false, "do not ask")
	f.Int32Var(&expected, "version", framework.AnyVersion, "delete the node only if it has this version; -1 is any")
	cmd.RunE = a.action(func(ctx context.Context, cli *framework.Client, args []string) error {
		path, err := node(args[0])
		if err != nil {
			return err
		}
		if err := a.removable(path, recursive, expected); err != nil {
			return err
		}
		r := &remover{app: a, cli: cli}
		if recursive {
			return r.all(ctx, path, yes)
		}
		err = cli.Delete(ctx, path, expected)
		if errors.Is(err, framework.ErrNotEmpty) {
			return fmt.Errorf("%w: --recursive deletes what is below it as well", err)
		}
		if err == nil {
			r.report(path, "")
		}
		return err
	})
	return cmd
}

func (a *app) removable(path string, recursive bool, expected int32) error {
	switch {
	case path == "/":
		return usagef("rm does not delete the root")
	case path == "/zookeeper" || strings.HasPrefix(path, "/zookeeper/"):
		return usagef("%s belongs to ZooKeeper itself, and rm does not delete it", path)
	case recursive && expected != framework.AnyVersion:
		return usagef("--version does not go together with --recursive")
	}
	return nil
}

// remover deletes a tree.
type remover struct {
	*app
	cli *framework.Client
}

func (r *remover) report(path, what string) {
	if r.asJSON {
		r.out.json(struct {
			Deleted string `json:"deleted"`
		}{path})
		return
	}
	r.out.printf("Deleted %s%s.\n", r.shown(path), what)
}

func (r *remover) all(ctx context.Context, path string, yes bool) error {
	_, exists, err := r.cli.Exists(ctx, path)
	if err == nil && !exists {
		err = fmt.Errorf("rm %s: %w", path, framework.ErrNoNode)
	}
	if err == nil && !yes {
		err = r.confirm(ctx, path)
	}
	if err == nil {
		err = r.cli.DeleteTree(ctx, path)
	}
	if err == nil {
		r.report(path, " and everything below it")
	}
	return err
}

// confirm asks, and returns an error unless the answer is yes.
func (r *remover) confirm(ctx context.Context, path string) error {
	if !r.asks {
		return usagef("rm --recursive needs --yes where nobody can be asked")
	}
	n, err := r.cli.Descendants(ctx, path)
	what := plural(n, "node") + " below it"
	switch {
	case errors.Is(err, framework.ErrUnsupported):
		what = "everything below it"
	case err != nil:
		return err
	}
	fmt.Fprintf(r.stderr, "Delete %s and %s? [y/N] ", safe(path), what)
	answer, err := awaited(ctx, func() (string, error) {
		line, _ := bufio.NewReader(r.stdin).ReadString('\n') // without an answer the line is empty
		return strings.ToLower(strings.TrimSpace(line)), nil
	})
	switch {
	case err != nil:
		fmt.Fprintln(r.stderr)
		return err
	case answer != "y" && answer != "yes":
		return &exitError{code: exitConflict, err: errors.New("nothing was deleted")}
	}
	return nil
}
