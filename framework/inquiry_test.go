package framework

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/internal/jute"
)

// What an answer means: another try, for a server that is too busy; nothing to hope for; or an answer.
func TestInquiryAnswers(t *testing.T) {
	q := inquiry{zxid: 10, reached: 10, code: codeTooBusy}
	require.ErrorIs(t, q.judge(t.Context(), nil), errInquiryDelayed)
	assert.Equal(t, notSent, outcomeOf(errInquiryDelayed), "it is asked again")

	q.code = 0
	require.NoError(t, q.judge(t.Context(), nil))
	require.NoError(t, q.refusal)

	q.code = -4
	require.NoError(t, q.judge(t.Context(), nil))
	require.ErrorContains(t, q.refusal, "error -4")

	q.code, q.refusal = codeUnimplemented, nil
	require.NoError(t, q.judge(t.Context(), nil))
	require.ErrorIs(t, q.refusal, errNoInquiries)
}

// Events on the paths that were asked about belong to the answer until that is there, and no others do.
func TestInquiryListens(t *testing.T) {
	table := &watches{}
	ours := &inquiry{session: &Session{}, data: []string{"/a", "/b"}, children: []string{"/a", "/c"}}
	asked := &jute.SetWatchesRequest{}
	assert.Empty(t, ours.begin(table, asked))
	assert.Equal(t, ours.data, asked.Data)
	assert.Equal(t, ours.children, asked.Child)
	for path, event := range map[string]EventType{
		"/a": EventChildrenChanged, "/b": EventCreated, "/c": EventDataChanged, "/d": EventDeleted,
	} {
		table.fire(event, path)
	}
	ours.noteAnswer(table, 7, 0)
	table.fire(EventDeleted, "/c")
	assert.Empty(t, table.inquiries)
	assert.True(t, ours.end(table))
	assert.Equal(t, []string{"/b"}, ours.found(ours.data, toldNode))
	assert.Equal(t, []string{"/a"}, ours.found(ours.children, toldChildren))

	assert.Empty(t, ours.begin(table, asked))
	assert.Empty(t, ours.found(ours.data, toldNode), "another try begins anew")
	assert.False(t, ours.end(table), "the link broke before it was answered")
	assert.Empty(t, table.inquiries)
	assert.Equal(t, notSent, outcomeOf(errors.Join(errBehind)))
}

// Only who uses the watch is told how far it has told everything.
func TestZxidIsOfAUser(t *testing.T) {
	table, _ := treeTable()
	one, two := treeUser(t, table, "/ab"), treeUser(t, table, "/ab")
	assert.Zero(t, one.Zxid(), "it is not in force yet")
	table.treeAnswered(table.trees["/ab"], 0)
	assert.EqualValues(t, 7, one.Zxid())
	one.Stop()
	assert.Zero(t, one.Zxid())
	assert.EqualValues(t, 7, two.Zxid())
	two.Stop()
	assert.Zero(t, two.Zxid())
}
