package main

import (
	"bytes"
	"flag"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/examples/internal/stage"
)

func TestParse(t *testing.T) {
	o, err := parse([]string{"/l", "cmd", "-n", "x"}, io.Discard)
	require.NoError(t, err)
	require.Equal(t, options{
		zk: "127.0.0.1:2181", timeout: 10 * time.Second, wait: -1, conflict: 75, path: "/l", command: []string{"cmd", "-n", "x"},
	}, o)
	o, err = parse([]string{
		"-zk", "h:1/c", "-timeout", "3s", "-hold", "-wait", "0s", "-n", "2", "-kill-after", "1s", "-E", "9", "/l", "cmd",
	}, io.Discard)
	require.NoError(t, err)
	require.Equal(t, options{
		zk: "h:1/c", timeout: 3 * time.Second, hold: true, permits: 2, killAfter: time.Second, conflict: 9, path: "/l", command: []string{"cmd"},
	}, o)
}

func TestParseRefuses(t *testing.T) {
	for want, args := range map[string][]string{
		"a path and a command are needed": {"/l"},
		"must begin with a slash":         {"l", "cmd"},
		"-n is -1":                        {"-n", "-1", "/l", "cmd"},
		"-kill-after is -1s":              {"-kill-after", "-1s", "/l", "cmd"},
		"-E is 256":                       {"-E", "256", "/l", "cmd"},
		"invalid value":                   {"-wait", "soon", "/l", "cmd"},
	} {
		_, err := parse(args, io.Discard)
		require.ErrorContains(t, err, want)
	}
	var usage bytes.Buffer
	_, err := parse([]string{"-h"}, &usage)
	require.ErrorIs(t, err, flag.ErrHelp)
	require.Contains(t, usage.String(), "usage: lockrun [flags] /path command")
}

func TestDemonstration(t *testing.T) {
	t.Setenv(workerEnv, "yes")
	out := &transcript{}
	require.Equal(t, stage.Held, demonstrate(t.Context(), out), out.String())
	t.Log("\n" + out.String())
	for _, part := range []string{
		"they took turns", "its exit status 7 is lockrun's", "the command was stopped", "exit status 75", "Everything held.",
	} {
		require.Contains(t, out.String(), part)
	}
}
