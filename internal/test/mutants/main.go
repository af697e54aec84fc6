package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// home is this directory, from the root.
const home = "internal/test/mutants"

func run(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("mutants", flag.ContinueOnError)
	shard := flags.String("shard", "1/1", "which part of all mutants to run, as 2/4")
	only := flags.String("only", "", "only mutants whose names contain this")
	writeTable := flags.Bool("table", false, "write README.md and run nothing")
	if err := flags.Parse(args); err != nil {
		return err
	}
	root, err := filepath.Abs(".")
	if err != nil {
		return err
	}
	all, err := read(filepath.Join(root, home, "patches"))
	if err != nil {
		return err
	}
	if *writeTable {
		return os.WriteFile(filepath.Join(root, home, "README.md"), []byte(table(all)), 0o600)
	}
	chosen, err := choose(all, *shard, *only)
	if err != nil {
		return err
	}
	return runAll(ctx, root, chosen)
}

// choose returns a shard of the mutants whose names contain a text.
func choose(all []*mutant, shard, only string) (chosen []*mutant, err error) {
	var part, parts int
	if _, err := fmt.Sscanf(shard, "%d/%d", &part, &parts); err != nil || part < 1 || part > parts {
		return nil, fmt.Errorf("-shard is %q, and not like 2/4", shard)
	}
	for i, m := range all {
		if i%parts == part-1 && strings.Contains(m.name, only) {
			chosen = append(chosen, m)
		}
	}
	return chosen, nil
}

// runAll runs mutants one after the other, each oracle once without a bug before.
func runAll(ctx context.Context, root string, chosen []*mutant) (err error) {
	dir, err := os.MkdirTemp("", "docent-mutants-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	l := lab{root: root, dir: dir}
	begun, counts := time.Now(), make(map[verdict]int)
	sound := make(map[string]bool)
	var errs []error
	for i, m := range chosen {
		if oracle := strings.Join(m.oracle, " "); !sound[oracle] {
			v, text, err := l.test(ctx, m.oracle)
			if err != nil || v != survived {
				errs = append(errs, fmt.Errorf("%s fails without a bug: %v %w\n%s", oracle, v, err, text))
				continue
			}
			sound[oracle] = true
		}
		v, text, err := l.try(ctx, m)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err == nil {
			err = m.judge(v)
		}
		if v == uncompiled {
			fmt.Print(text)
		}
		counts[v]++
		errs = append(errs, err)
		fmt.Printf("%d of %d: %s: %s\n", i+1, len(chosen), m.name, v)
	}
	fmt.Printf("%d mutants: %d killed, %d survived; %v\n", len(chosen), counts[killed], counts[survived], time.Since(begun).Round(time.Second))
	return errors.Join(errs...)
}
