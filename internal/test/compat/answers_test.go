package compat_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/zktest"
)

// answer is a code with which servers answer for reasons of their own.
type answer struct {
	code     zktest.ErrCode
	name     string // that servers give it
	sentinel string
	err      error
	when     string
}

// answers is the second table.
var answers = []answer{
	{-6, "UNIMPLEMENTED", "ErrUnsupported", framework.ErrUnsupported, "the servers do not know the request"},
	{-119, "NOTREADONLY", "ErrNotReadOnly", framework.ErrNotReadOnly, "a write, on a server that has lost the majority (readonlymode.enabled)"},
	{-120, "EPHEMERALONLOCALSESSION", "ErrEphemeralOnLocalSession", framework.ErrEphemeralOnLocalSession, "localSessionsEnabled without localSessionsUpgradingEnabled (3.5)"},
	{-122, "REQUESTTIMEOUT", "ErrRequestTimeout", framework.ErrRequestTimeout, "the servers gave up the request"},
	{-124, "SESSIONCLOSEDREQUIRESASLAUTH", "ErrAuthRequired", framework.ErrAuthRequired, "sessionRequireClientSASLAuth (3.6), enforce.auth.enabled (3.7)"},
	{-125, "QUOTAEXCEEDED", "ErrQuotaExceeded", framework.ErrQuotaExceeded, "a hard limit of a quota (enforceQuota, 3.7)"},
	{-127, "THROTTLEDOP", "ErrThrottled", framework.ErrThrottled, "the server is overloaded (throttled_op_wait_time, 3.6)"},
	{-7, "OPERATIONTIMEOUT", "ErrRequestTimeout", framework.ErrRequestTimeout, "ClickHouse Keeper: a write took too long to commit"},
	{-4, "CONNECTIONLOSS", "", nil, "ClickHouse Keeper: the same, on shutdown"},
}

// meets says what comes of an operation that is answered with the code once.
func (a answer) meets(p *player, op zktest.Op, operation func() error) string {
	fault := p.srv.Inject(zktest.Rule{Op: op, Times: 1}, zktest.AnswerWith(a.code))
	before := p.srv.Counts()
	err := operation()
	require.Equal(p, 1, fault.Fired())
	sent := p.srv.Counts().Sub(before).Requests[op]
	switch {
	case err == nil:
		require.EqualValues(p, 1, sent) // the injected one is not counted
		return "sent again"
	case errors.Is(err, framework.ErrOutcomeUnknown):
		require.False(p, framework.SafeToRetry(err))
		require.Zero(p, sent)
		return "checked; `ErrOutcomeUnknown` if the check cannot decide"
	}
	require.True(p, framework.SafeToRetry(err))
	if a.err != nil {
		require.ErrorIs(p, err, a.err)
	}
	require.Zero(p, sent)
	return "refused"
}

// words is what the user reads. The path is that of the operation.
func (a answer) words(p *player) string {
	fault := p.srv.Inject(zktest.Rule{Op: zktest.OpSetData}, zktest.AnswerWith(a.code))
	defer fault.Remove()
	_, err := p.cli.Set(p.ctx, "/node", nil, framework.AnyVersion)
	require.Error(p, err)
	if a.err != nil {
		require.ErrorIs(p, err, a.err)
	}
	return "`" + err.Error() + "`"
}

// answersTable is the second table in Markdown.
func answersTable(t *testing.T) string {
	var b strings.Builder
	b.WriteString("| code | error | when | a read | a write | error text of a write |\n|---|---|---|---|---|---|\n")
	for _, a := range answers {
		name := fmt.Sprintf("%d %s", a.code, a.name)
		sentinel := "none"
		if a.sentinel != "" {
			sentinel = "`framework." + a.sentinel + "`"
		}
		onZktest(t, zktest.Config{}, nil, func(p *player) {
			_, err := p.cli.Create(p.ctx, "/node", nil)
			require.NoError(p, err)
			read := a.meets(p, zktest.OpGetData, func() error { _, err := p.cli.Get(p.ctx, "/node"); return err })
			write := a.meets(p, zktest.OpSetData, func() error {
				_, err := p.cli.Set(p.ctx, "/node", nil, framework.AnyVersion)
				return err
			})
			fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s |\n", name, sentinel, a.when, read, write, a.words(p))
		})
	}
	return b.String()
}
