package framework

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/internal/jute"
	"github.com/docent-zk/docent/internal/wire"
)

func TestMultiReadResultsThatDoNotAnswerTheOperationsAreMalformed(t *testing.T) {
	ops := []jute.MultiOp{{Type: jute.OpGetData}, {Type: jute.OpGetChildren}}
	data, names, refused := jute.ReadResult{Op: jute.OpGetData}, jute.ReadResult{Op: jute.OpGetChildren}, jute.ReadResult{Op: -1, Err: codeNoAuth}
	for _, good := range [][]jute.ReadResult{{data, names}, {refused, refused}, {data, refused}} {
		require.NoError(t, judgeReads(ops, good))
	}
	for _, bad := range [][]jute.ReadResult{nil, {data}, {data, data}, {names, data}, {data, names, names}, {data, {Op: -1}}} {
		require.ErrorIs(t, judgeReads(ops, bad), wire.ErrMalformed)
	}
}
