package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/docent-zk/docent/cache"
	"github.com/docent-zk/docent/framework"
)

// watchCommand follows nodes.
func (a *app) watchCommand() *cobra.Command {
	w := &watcher{app: a}
	cmd := &cobra.Command{
		Use: "watch PATH", Short: "Show changes of a node and its children", Args: cobra.ExactArgs(1), ValidArgsFunction: a.completePath,
		Long: "Watch shows every change of PATH and its children, with the data, until it is interrupted. PATH need not exist yet.\n\n" +
			"It continues when the connection breaks, and in a new session: it then shows what is different. Several changes of a node " +
			"in quick succession, or while the connection is away, are shown as one. It keeps the nodes that it watches in memory: " +
			"see --max-nodes and --no-data. With --json it prints one object in a line.",
	}
	f := cmd.Flags()
	f.BoolVarP(&w.recursive, "recursive", "r", false, "watch everything below PATH")
	f.BoolVar(&w.initial, "initial", false, "show first what there is")
	f.BoolVar(&w.noData, "no-data", false, "do not read the data")
	f.IntVarP(&w.count, "count", "n", 0, "end after so many changes; 0 is never")
	f.DurationVar(&w.duration, "for", 0, "end after so long; 0 is never")
	f.IntVar(&w.maxNodes, "max-nodes", 100_000, "give up when there are more nodes")
	cmd.RunE = a.action(func(ctx context.Context, cli *framework.Client, args []string) error {
		path, err := node(args[0])
		if err != nil {
			return err
		}
		if w.count < 0 || w.duration < 0 || w.maxNodes < 1 {
			return usagef("--count and --for cannot be negative, and --max-nodes must be positive")
		}
		return w.run(ctx, cli, path)
	})
	return cmd
}

// watcher shows the changes of one tree.
type watcher struct {
	*app
	recursive, initial, noData bool
	count                      int
	duration                   time.Duration
	maxNodes                   int

	tree  *cache.Tree
	ready bool // what there was has been read
	shown int
}

// changeJSON is one line of output, for programs.
type changeJSON struct {
	Time  string    `json:"time"`
	Event string    `json:"event"` // watching, present, created, changed, deleted, refused, stale, fresh
	Path  string    `json:"path"`
	Node  *nodeJSON `json:"node,omitempty"`
	Error string    `json:"error,omitempty"`
	Nodes int       `json:"nodes,omitempty"` // with watching
}

func (w *watcher) run(ctx context.Context, cli *framework.Client, path string) error {
	opts := []cache.TreeOption{cache.NoWait()}
	if !w.recursive {
		opts = append(opts, cache.Depth(1))
	}
	if w.noData {
		opts = append(opts, cache.StatsOnly())
	}
	tree, err := cache.Open(ctx, cli, path, opts...)
	if err != nil {
		return err
	}
	defer tree.Close()
	w.tree = tree
	var end <-chan time.Time
	if w.duration > 0 {
		timer := time.NewTimer(w.duration)
		defer timer.Stop()
		end = timer.C
	}
	events := tree.Events(ctx)
	for {
		select {
		case e, more := <-events:
			if !more {
				return w.ended(ctx)
			}
			if done, err := w.event(e); done || err != nil {
				return err
			}
		case <-end:
			return nil
		}
	}
}

// ended is why there are no more events.
func (w *watcher) ended(ctx context.Context) error {
	if err := framework.ContextError(ctx); err != nil {
		return err
	}
	return w.tree.Err()
}

// event shows one event, and reports whether it was the last.
func (w *watcher) event(e cache.Event) (done bool, err error) {
	if n := w.tree.Len(); n > w.maxNodes {
		return true, fmt.Errorf("there are more than %d nodes at %s: watch a part of them, or see --max-nodes", w.maxNodes, w.tree.Root())
	}
	if !w.ready && !w.initial && e.Type != cache.Synced && e.Type != cache.Refused {
		return false, nil
	}
	line := changeJSON{Time: clock(w.now()), Path: e.Path}
	counts := w.ready
	switch e.Type {
	case cache.Added:
		line.Event, line.Node = w.present(), w.node(e.New)
	case cache.Changed:
		line.Event, line.Node = "changed", w.node(e.New)
	case cache.Removed:
		line.Event = "deleted"
	case cache.Refused:
		line.Event, line.Error = "refused", reason(e.Err)
	case cache.Stale:
		line.Event, counts = "stale", false
	case cache.Synced:
		counts = false
		line.Event = "fresh"
		if !w.ready {
			w.ready, line.Event, line.Nodes = true, "watching", w.tree.Len()
		}
	default: // Lagged: the differences follow
		return false, nil
	}
	w.print(line)
	if counts {
		w.shown++
	}
	return w.count > 0 && w.shown >= w.count, w.out.flush()
}

func (w *watcher) present() string {
	if w.ready {
		return "created"
	}
	return "present"
}

func (w *watcher) node(n framework.Node) *nodeJSON {
	j := statJSON(n.Path, n.Stat)
	if !w.noData {
		j = j.with(n.Data)
	}
	return &j
}

func (w *watcher) print(line changeJSON) {
	if w.asJSON {
		w.out.jsonLine(line)
		return
	}
	w.out.printf("%s  ", line.Time)
	switch line.Event {
	case "watching":
		w.out.printf("watching %s: %s\n", clip(line.Path, 200), plural(line.Nodes, "node"))
	case "stale":
		w.out.printf("the connection is away; changes are shown when it is back\n")
	case "fresh":
		w.out.printf("the connection is back; everything up to now is shown\n")
	default:
		w.out.printf("%-8s %s%s\n", line.Event, clip(line.Path, 200), detail(line))
	}
}

// detail is what there is to say of a node.
func detail(line changeJSON) string {
	n := line.Node
	switch {
	case line.Error != "":
		return "  (" + safe(line.Error) + ")"
	case n == nil:
		return ""
	case n.Session != "" && (n.Data == nil || *n.Data == ""):
		return "  (session " + n.Session + ")"
	case n.Data != nil && *n.Data != "":
		return "  = " + clip(*n.Data, maxCell)
	case len(n.Base64) > 0:
		return "  = " + clip(string(n.Base64), maxCell)
	}
	return ""
}
