package leader_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/docenttest"
	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/leader"
	"github.com/docent-zk/docent/zktest"
)

// timeout is the session timeout in these tests.
const timeout = 10 * time.Second

// path is the election in which candidates stand.
const path = "/election/scheduler"

// world is a server on a network in memory.
type world struct {
	*docenttest.Server
	t *testing.T
}

// bubble runs f on fake time, with a server.
func bubble(t *testing.T, f func(t *testing.T, w *world)) {
	t.Helper()
	docenttest.Run(t, func(t *testing.T, srv *docenttest.Server) { f(t, &world{srv, t}) })
}

// cut breaks a client's connection.
func (w *world) cut(name string) {
	w.t.Helper()
	require.Positive(w.t, w.Cut(zktest.ClientConns(name)), "%s has no connection to cut", name)
}

// session is the id of a client's session.
func (w *world) session(cli *framework.Client) int64 {
	w.t.Helper()
	s, err := cli.Session(w.t.Context())
	require.NoError(w.t, err)
	return s.ID()
}

// candidate is a Run that goes on beside the test.
type candidate struct {
	t      *testing.T
	cancel context.CancelCauseFunc
	terms  chan *leader.Term // each term when it begins
	let    chan error        // what lead returns, when it gets something
	done   chan error        // what Run has returned
}

// stand starts a candidate whose leader function returns the cause of its context's end, or what it gets from let.
func stand(t *testing.T, cli *framework.Client, opts ...leader.Option) *candidate {
	t.Helper()
	c := &candidate{t: t, terms: make(chan *leader.Term, 100), let: make(chan error), done: make(chan error, 1)}
	ctx, cancel := context.WithCancelCause(t.Context())
	c.cancel = cancel
	go func() {
		c.done <- leader.Run(ctx, cli, path, func(ctx context.Context, term *leader.Term) error {
			c.terms <- term
			select {
			case <-ctx.Done():
				return context.Cause(ctx)
			case err := <-c.let:
				return err
			}
		}, opts...)
	}()
	synctest.Wait()
	return c
}

// term waits for the candidate's next term. It runs in a bubble.
func (c *candidate) term() *leader.Term {
	c.t.Helper()
	select {
	case term := <-c.terms:
		return term
	case err := <-c.done:
		c.t.Fatalf("Run has returned %v", err)
	case <-time.After(10 * timeout):
		c.t.Fatal("not elected")
	}
	return nil
}

// over waits for the end of a term, for d at most, and returns the cause. It runs in a bubble.
func over(t *testing.T, term *leader.Term, d time.Duration) error {
	t.Helper()
	select {
	case <-term.Context().Done():
		return context.Cause(term.Context())
	case <-time.After(d):
		t.Fatalf("still leading after %v", d)
		return nil
	}
}

// leads fails the test unless the term goes on.
func leads(t *testing.T, term *leader.Term) {
	t.Helper()
	synctest.Wait()
	require.NoError(t, context.Cause(term.Context()))
}
