package framework

import (
	"errors"
	"testing"

	"github.com/go-zookeeper/zk"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/internal/wire"
)

// What an answer means: another try, for a server that is too busy; nothing to hope for; or an answer.
func TestInquiryAnswers(t *testing.T) {
	support := &inquirySupport{}
	support.deaths.Store(2)
	q := inquiry{zxid: 10, reached: 10, code: codeTooBusy}
	require.ErrorIs(t, q.judge(t.Context(), nil, support), errInquiryDelayed)
	assert.Equal(t, notSent, outcomeOf(errInquiryDelayed), "it is asked again")
	assert.False(t, support.known.Load())

	q.code = 0
	require.NoError(t, q.judge(t.Context(), nil, support))
	require.NoError(t, q.refusal)
	assert.True(t, support.known.Load())
	assert.Zero(t, support.deaths.Load())

	q.code = -4
	require.NoError(t, q.judge(t.Context(), nil, support))
	require.ErrorContains(t, q.refusal, "error -4")
	require.NoError(t, support.refusal(), "that may be another time")

	q.code, q.refusal = codeUnimplemented, nil
	require.NoError(t, q.judge(t.Context(), nil, support))
	require.ErrorIs(t, q.refusal, errNoInquiries)
	require.ErrorIs(t, support.refusal(), errNoInquiries, "and will not be")
}

// Events on the paths that were asked about belong to the answer until that is there, and no others do.
func TestInquiryListens(t *testing.T) {
	table := &watches{}
	ours := &inquiry{session: &Session{}, data: []string{"/a", "/b"}, children: []string{"/a", "/c"}}
	asked := &wire.Inquiry{}
	assert.Empty(t, ours.begin(table, asked))
	assert.Equal(t, ours.data, asked.Data)
	assert.Equal(t, ours.children, asked.Children)
	for path, kind := range map[string]zk.EventType{
		"/a": zk.EventNodeChildrenChanged, "/b": zk.EventNodeCreated, "/c": zk.EventNodeDataChanged, "/d": zk.EventNodeDeleted,
	} {
		table.fire(zk.Event{Type: kind, Path: path})
	}
	asked.Answered(7, 0)
	table.fire(zk.Event{Type: zk.EventNodeDeleted, Path: "/c"})
	assert.Empty(t, table.inquiries)
	assert.True(t, ours.end(table))
	assert.Equal(t, []string{"/b"}, ours.found(ours.data, toldNode))
	assert.Equal(t, []string{"/a"}, ours.found(ours.children, toldChildren))

	assert.Empty(t, ours.begin(table, asked))
	assert.Empty(t, ours.found(ours.data, toldNode), "another try begins anew")
	assert.False(t, ours.end(table), "the link broke before it was sent")
	assert.Empty(t, table.inquiries)
	assert.Equal(t, notSent, outcomeOf(errInquiryLost))
	assert.Equal(t, notSent, outcomeOf(errors.Join(errBehind)))
}

// Only who uses the watch is told how far it has told everything.
func TestZxidIsOfAUser(t *testing.T) {
	table, _ := treeTable()
	one, two := treeUser(t, table, "/ab"), treeUser(t, table, "/ab")
	assert.EqualValues(t, 3, one.Zxid())
	one.Stop()
	assert.Zero(t, one.Zxid())
	assert.EqualValues(t, 3, two.Zxid())
	two.Stop()
	assert.Zero(t, two.Zxid())
}
