package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
)

const usage = `usage: release [-root DIR] check|prepare|tag VERSION
       release [-root DIR] outside`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Stdout, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer, args []string) error {
	flags := flag.NewFlagSet("release", flag.ContinueOnError)
	flags.Usage = func() { fmt.Fprintln(flags.Output(), usage) }
	dir := flags.String("root", "../..", "the repository")
	if err := flags.Parse(args); err != nil {
		return err
	}
	root, err := filepath.Abs(*dir)
	if err != nil {
		return err
	}
	r := &repository{root: root, out: out}
	if r.modules, err = publicModules(root); err != nil {
		return err
	}
	command, version := flags.Arg(0), flags.Arg(1)
	wants := map[string]func(context.Context, string) error{"check": r.check, "prepare": r.prepare, "tag": r.tag}
	switch f := wants[command]; {
	case command == "outside" && flags.NArg() == 1:
		return r.outside(ctx)
	case f != nil && flags.NArg() == 2:
		return f(ctx, version)
	}
	return errors.New(usage)
}
