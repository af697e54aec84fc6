package main

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/docent-zk/docent/framework"
)

// lsCommand lists children.
func (a *app) lsCommand() *cobra.Command {
	var details bool
	var limit int
	cmd := &cobra.Command{
		Use: "ls [PATH]", Short: "List the children of a node", Args: cobra.MaximumNArgs(1), ValidArgsFunction: a.completePath,
		Long: "Ls lists the names of the children of PATH, of the root if there is none, in order.",
	}
	cmd.Flags().BoolVarP(&details, "long", "l", false, "show number of children, size, version, time of the last change, and the session of ephemeral nodes")
	cmd.Flags().IntVar(&limit, "limit", 10_000, "list at most so many")
	cmd.RunE = a.action(func(ctx context.Context, cli *framework.Client, args []string) error {
		path, err := oneNode(args)
		if err != nil {
			return err
		}
		if limit < 1 {
			return usagef("--limit is %d; it must be positive", limit)
		}
		names, _, err := cli.Children(ctx, path)
		if err != nil {
			return err
		}
		slices.Sort(names)
		more := max(len(names)-limit, 0)
		names = names[:len(names)-more]
		if !details && !a.asJSON {
			for _, name := range names {
				a.out.printf("%s\n", a.shown(name))
			}
			return a.left(more)
		}
		return a.listLong(ctx, cli, path, names, more)
	})
	return cmd
}

// listLong shows children with their Stats. Those that have gone since they were listed are left out.
func (a *app) listLong(ctx context.Context, cli *framework.Client, path string, names []string, more int) error {
	stats := make([]*framework.Stat, len(names))
	err := parallel(len(names), func(i int) error {
		stat, exists, err := cli.Exists(ctx, framework.Join(path, names[i]))
		if exists {
			stats[i] = &stat
		}
		return err
	})
	if err != nil {
		return err
	}
	list := []nodeJSON{}
	var rows [][]string
	for i, stat := range stats {
		if stat == nil {
			continue
		}
		n := statJSON(framework.Join(path, names[i]), *stat)
		list = append(list, n)
		rows = append(rows, []string{names[i], itoa(n.Children), itoa(n.Bytes), itoa(n.Version), n.Modified, n.Session})
	}
	if a.asJSON {
		a.out.json(struct {
			Path     string     `json:"path"`
			Children []nodeJSON `json:"children"`
			More     int        `json:"more,omitempty"`
		}{path, list, more})
		return nil
	}
	a.out.table([]string{"NAME", "CHILDREN", "BYTES", "VERSION", "MODIFIED", "SESSION"}, rows)
	return a.left(more)
}

// shown is a name as it is printed: escaped on a terminal, as it is for a program.
func (a *app) shown(name string) string {
	if a.screen {
		return safe(name)
	}
	return name
}

// left says what a limit has left out.
func (a *app) left(more int) error {
	if more > 0 {
		fmt.Fprintf(a.stderr, "docent: %d more; see --limit\n", more)
	}
	return nil
}

func itoa(n int32) string { return strconv.Itoa(int(n)) }

// getCommand shows data.
func (a *app) getCommand() *cobra.Command {
	var stat, raw bool
	cmd := &cobra.Command{
		Use: "get PATH", Short: "Show the data of a node", Args: cobra.ExactArgs(1), ValidArgsFunction: a.completePath,
		Long: "Get writes the data of PATH to standard output, byte for byte.\n\n" +
			"On a terminal, data that is not text is shown as a hex dump, and a line break is added to text that has none at its end.",
	}
	cmd.Flags().BoolVar(&stat, "stat", false, "show what the servers say of the node instead of its data")
	cmd.Flags().BoolVar(&raw, "raw", false, "write the bytes as they are, even to a terminal")
	cmd.RunE = a.action(func(ctx context.Context, cli *framework.Client, args []string) error {
		path, err := node(args[0])
		if err != nil {
			return err
		}
		n, err := cli.Get(ctx, path)
		switch {
		case err != nil:
			return err
		case a.asJSON:
			a.out.json(statJSON(path, n.Stat).with(n.Data))
		case stat:
			a.printStat(statJSON(path, n.Stat))
		case raw || !a.screen:
			_, err = a.out.Write(n.Data)
		case readable(n.Data):
			a.out.printf("%s", n.Data)
			if len(n.Data) > 0 && n.Data[len(n.Data)-1] != '\n' {
				a.out.printf("\n")
			}
		default:
			a.out.printf("%s", hex.Dump(n.Data))
		}
		return err
	})
	return cmd
}

func (a *app) printStat(n nodeJSON) {
	a.out.table([]string{"FIELD", "VALUE"}, [][]string{
		{"path", n.Path}, {"bytes", itoa(n.Bytes)}, {"children", itoa(n.Children)}, {"version", itoa(n.Version)},
		{"created", n.Created}, {"modified", n.Modified}, {"czxid", n.Czxid}, {"mzxid", n.Mzxid}, {"session", n.Session},
	})
}

// input is data for a node: an argument, a file, or standard input.
type input struct{ file string }

func (in *input) register(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&in.file, "file", "f", "", "read the data from a file; - is standard input")
}

// maxInput is more than any server accepts.
const maxInput = 64 << 20

// read returns the data. args are what follows the path on the command line.
func (in *input) read(ctx context.Context, stdin io.Reader, args []string) ([]byte, error) {
	switch {
	case in.file != "" && len(args) > 0:
		return nil, usagef("the data is given twice: as an argument and with --file")
	case in.file == "" && len(args) > 0:
		return []byte(args[0]), nil
	case in.file == "":
		return []byte{}, nil
	case in.file != "-":
		f, err := os.Open(in.file)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		stdin = f // a named pipe may block as well
	}
	data, err := awaited(ctx, func() ([]byte, error) { return io.ReadAll(io.LimitReader(stdin, maxInput+1)) })
	if err == nil && len(data) > maxInput {
		err = fmt.Errorf("the data is longer than %d bytes", maxInput)
	}
	return data, err
}

// setCommand replaces data.
func (a *app) setCommand() *cobra.Command {
	var in input
	var expected int32
	cmd := &cobra.Command{
		Use: "set PATH [DATA]", Short: "Replace the data of a node", Args: cobra.RangeArgs(1, 2), ValidArgsFunction: a.completePath,
		Long: "Set replaces the data of PATH, which must exist. The data is DATA, or what --file names.",
	}
	in.register(cmd)
	cmd.Flags().Int32Var(&expected, "version", framework.AnyVersion, "replace the data only if the node has this version; -1 is any")
	cmd.RunE = a.action(func(ctx context.Context, cli *framework.Client, args []string) error {
		path, err := node(args[0])
		if err != nil {
			return err
		}
		if len(args) == 1 && in.file == "" {
			return usagef("there is no data: give it as an argument (an empty one is '') or with --file")
		}
		data, err := in.read(ctx, a.stdin, args[1:])
		if err != nil {
			return err
		}
		stat, err := cli.Set(ctx, path, data, expected)
		if err != nil {
			return err
		}
		if a.asJSON {
			a.out.json(statJSON(path, stat))
			return nil
		}
		a.out.printf("%s has version %d.\n", a.shown(path), stat.Version)
		return nil
	})
	return cmd
}

// createCommand creates a node.
func (a *app) createCommand() *cobra.Command {
	var in input
	var parents, sequential, container bool
	var ttl time.Duration
	var acl string
	cmd := &cobra.Command{
		Use: "create PATH [DATA]", Short: "Create a node", Args: cobra.RangeArgs(1, 2), ValidArgsFunction: a.completePath,
		Long: "Create creates a node that stays, and prints its path.\n\n" +
			"There is no flag for ephemeral nodes: one would go when the command ends. Use lock or elect, which keep one while a command runs.",
	}
	in.register(cmd)
	f := cmd.Flags()
	f.BoolVarP(&parents, "parents", "p", false, "create missing parents as well")
	f.BoolVar(&sequential, "sequential", false, "have the servers append a number to the name")
	f.BoolVar(&container, "container", false, "let the servers remove the node when its last child has gone")
	f.DurationVar(&ttl, "ttl", 0, "let the servers remove the node when it has no children and was not changed for so long")
	f.StringVar(&acl, "acl", "open", "who may do what: open, creator (the identities of --auth and --sasl), or scheme:id:perms,... with perms of cdrwa")
	cmd.RunE = a.action(func(ctx context.Context, cli *framework.Client, args []string) error {
		path, err := node(args[0])
		if err != nil {
			return err
		}
		data, err := in.read(ctx, a.stdin, args[1:])
		if err != nil {
			return err
		}
		opts, err := createOptions(parents, sequential, container, ttl, acl)
		if err != nil {
			return err
		}
		n, err := cli.Create(ctx, path, data, opts...)
		if err != nil {
			return err
		}
		if a.asJSON {
			a.out.json(statJSON(n.Path, n.Stat))
			return nil
		}
		a.out.printf("%s\n", a.shown(n.Path))
		return nil
	})
	return cmd
}

func createOptions(parents, sequential, container bool, ttl time.Duration, acl string) ([]framework.CreateOption, error) {
	list, err := parseACL(acl)
	if err != nil {
		return nil, err
	}
	opts := []framework.CreateOption{framework.WithACL(list)}
	if parents {
		opts = append(opts, framework.Parents)
	}
	switch {
	case container && (sequential || ttl != 0):
		return nil, usagef("--container does not go together with --sequential or --ttl")
	case ttl < 0:
		return nil, usagef("--ttl is %v; it must be positive", ttl)
	case container:
		opts = append(opts, framework.Container)
	case sequential && ttl > 0:
		opts = append(opts, framework.PersistentSequentialTTL, framework.WithTTL(ttl))
	case ttl > 0:
		opts = append(opts, framework.PersistentTTL, framework.WithTTL(ttl))
	case sequential:
		opts = append(opts, framework.PersistentSequential)
	}
	return opts, nil
}

// permissions are the letters of ZooKeeper's own command line.
const permissions = "rwcda"

// parseACL reads open, creator, or scheme:id:perms,...; an id may have colons in it.
func parseACL(text string) ([]framework.ACL, error) {
	switch text {
	case "open":
		return framework.OpenACL(), nil
	case "creator":
		return framework.CreatorACL(), nil
	}
	var list []framework.ACL
	for entry := range strings.SplitSeq(text, ",") {
		scheme, rest, ok := strings.Cut(entry, ":")
		colon := strings.LastIndexByte(rest, ':')
		if !ok || scheme == "" || colon < 0 || colon == len(rest)-1 {
			return nil, usagef("--acl has the entry %q; the form is scheme:id:perms", entry)
		}
		var perms int32
		for _, letter := range rest[colon+1:] {
			bit := strings.IndexRune(permissions, letter)
			if bit < 0 {
				return nil, usagef("--acl has the permission %q; there are c, d, r, w and a", letter)
			}
			perms |= 1 << bit
		}
		list = append(list, framework.ACL{Scheme: scheme, ID: rest[:colon], Perms: perms})
	}
	return list, nil
}

// completePath completes the path of a node for a shell.
func (a *app) completePath(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	const directive = cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
	if len(args) > 0 || a.flags.fromEnvironment(cmd, a.getenv) != nil {
		return nil, cobra.ShellCompDirectiveDefault
	}
	cfg, err := a.config()
	if err != nil {
		return nil, directive
	}
	cli, err := framework.New(cfg)
	if err != nil {
		return nil, directive
	}
	defer cli.Close()
	ctx, cancel := context.WithTimeout(cmd.Context(), 2*time.Second)
	defer cancel()
	slash := strings.LastIndexByte(typed, '/')
	parent := "/"
	if slash > 0 {
		parent = framework.Abs(typed[:slash])
	}
	names, _, err := cli.Children(ctx, parent)
	if err != nil {
		return nil, directive
	}
	var found []string
	for _, name := range names {
		if strings.HasPrefix(name, typed[slash+1:]) && safe(name) == name {
			found = append(found, framework.Join(parent, name))
		}
	}
	slices.Sort(found)
	return found, directive
}
