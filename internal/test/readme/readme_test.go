package readme

import (
	"fmt"
	"go/format"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// root is the repository's.
const root = "../../.."

func pages(t *testing.T) []string {
	t.Helper()
	docs, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	require.NoError(t, err)
	require.NotEmpty(t, docs)
	return append(docs, filepath.Join(root, "README.md"))
}

func TestPages(t *testing.T) {
	for _, page := range pages(t) {
		text, err := os.ReadFile(page)
		require.NoError(t, err)
		for _, b := range blocks(string(text)) {
			t.Run(fmt.Sprintf("%s:%d", filepath.Base(page), b.line), func(t *testing.T) {
				formatted, err := format.Source([]byte(b.text))
				require.NoError(t, err, "it is no Go")
				assert.Equal(t, strings.TrimSpace(string(formatted)), strings.TrimSpace(b.text), "gofmt would write it so")
				if !b.complete() {
					assert.Nil(t, b.run, "only a complete program can be run")
					return
				}
				newProgram(t, b).try(t)
			})
		}
	}
}

// A page of our own, to see that programs are compiled and run.
func TestPrograms(t *testing.T) {
	const connect = `package main

import (
	"context"
	"fmt"
	"os/signal"
	"syscall"

	"github.com/docent-zk/docent/framework"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT)
	defer stop()
	cli, err := framework.New(framework.Config{ConnectString: "zk.invalid:2181"})
	if err != nil {
		panic(err)
	}
	defer cli.Close()
	if err := cli.WaitConnected(ctx); err != nil {
		panic(err)
	}
	fmt.Println("connected")
	WAIT
}
`
	const test = `package service_test

import (
	"testing"

	"github.com/docent-zk/docent/docenttest"
)

func TestUp(t *testing.T) {
	docenttest.Run(t, func(t *testing.T, srv *docenttest.Server) {
		srv.Connect("worker")
	})
}
`
	ends, waits := strings.Replace(connect, "WAIT", "", 1), strings.Replace(connect, "WAIT", "<-ctx.Done()", 1)
	for name, c := range map[string]struct {
		b    block
		want string // in the error
	}{
		"compiles":         {b: block{text: ends}},
		"does not compile": {b: block{text: strings.Replace(ends, "Println", "Printline", 1)}, want: "undefined: fmt.Printline"},
		"ends":             {b: block{text: ends, run: &run{text: "connected"}}},
		"says otherwise":   {b: block{text: ends, run: &run{text: "married"}}, want: `"married" is not in its output`},
		"is interrupted":   {b: block{text: waits, run: &run{until: true, text: "connected"}}},
		"fails":            {b: block{text: strings.Replace(ends, "WAIT", "", 1) + "\nfunc init() { panic(\"no\") }\n", run: &run{}}, want: "exit status 2"},
		"test that fails": {b: block{text: strings.Replace(test, `("worker")`, `("")
		srv.LoseSession("worker")`, 1)}, want: "no client \"worker\" is connected"},
		"unknown package": {b: block{text: strings.ReplaceAll(ends, "docent/framework", "docent/frame")}, want: "docent/frame"},
	} {
		t.Run(name, func(t *testing.T) {
			p := newProgram(t, c.b)
			err := p.compile(t)
			if err == nil && c.b.run != nil {
				err = p.run(t)
			}
			if c.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, c.want)
		})
	}
}
