package histories

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/anishathalye/porcupine"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// op is an operation in a history written by hand. Return 0 is for one that is open.
func op(call, ret int64, input, output any) porcupine.Operation {
	if ret == 0 {
		ret, output = 1000, nil
	}
	return porcupine.Operation{Call: call, Return: ret, Input: input, Output: output}
}

func acquire(call, ret, token int64) porcupine.Operation {
	return op(call, ret, LockInput{Kind: Acquire, Client: int(token)}, LockOutput{Token: token})
}

func share(call, ret, token int64) porcupine.Operation {
	return op(call, ret, LockInput{Kind: Share}, LockOutput{Token: token})
}

func at(at int64, kind LockKind, token int64) porcupine.Operation {
	return op(at, at, LockInput{Kind: kind, Token: token, Client: int(token)}, nil)
}

func write(call, ret, token int64, value int, refused bool) porcupine.Operation {
	return op(call, ret, LockInput{Kind: Write, Token: token, Value: value}, LockOutput{Value: value, Refused: refused})
}

func read(call, ret int64, value int) porcupine.Operation {
	return op(call, ret, LockInput{Kind: Read}, LockOutput{Value: value})
}

func TestLocksModel(t *testing.T) {
	type history = []porcupine.Operation
	for name, c := range map[string]struct {
		history history
		legal   bool
	}{
		"in turn":                      {history{acquire(1, 2, 7), at(3, End, 7), acquire(1, 4, 9)}, true},
		"two hold":                     {history{acquire(1, 2, 7), acquire(1, 3, 9), at(4, End, 7)}, false},
		"for an instant":               {history{acquire(1, 2, 7), acquire(1, 3, 9), at(3, End, 7)}, true},
		"killed":                       {history{acquire(1, 2, 7), at(3, Destroy, 7), acquire(1, 4, 9), at(5, End, 7)}, true},
		"somebody else is killed":      {history{acquire(1, 2, 7), at(3, Destroy, 8), acquire(1, 4, 9), at(5, End, 7)}, false},
		"a token that does not grow":   {history{acquire(1, 2, 7), at(3, End, 7), acquire(4, 5, 7)}, false},
		"readers share":                {history{share(1, 3, 8), share(2, 4, 7), at(5, End, 7), at(5, End, 8), acquire(6, 7, 9)}, true},
		"a writer with a reader":       {history{share(1, 2, 7), acquire(3, 4, 9), at(5, End, 7)}, false},
		"a reader with a writer":       {history{acquire(1, 2, 7), share(3, 4, 9), at(5, End, 7)}, false},
		"a reader older than a writer": {history{acquire(1, 2, 7), at(3, End, 7), share(4, 5, 6)}, false},
		"a reader behind a downgrade":  {history{acquire(1, 2, 7), at(3, Downgrade, 7), share(3, 4, 8), at(5, End, 7)}, true},
		"a writer behind a downgrade":  {history{acquire(1, 2, 7), at(3, Downgrade, 7), acquire(4, 5, 8), at(6, End, 7)}, false},
		"a write of the holder":        {history{acquire(1, 2, 7), write(3, 4, 7, 1, false), read(5, 6, 1)}, true},
		"a write that was lost":        {history{acquire(1, 2, 7), write(3, 4, 7, 1, false), read(5, 6, 0)}, false},
		"a holder that is refused":     {history{acquire(1, 2, 7), write(3, 4, 7, 1, true), at(5, End, 7)}, false},
		"behind the end, with a node":  {history{acquire(1, 2, 7), at(3, End, 7), write(4, 5, 7, 1, false)}, true},
		"behind the end, refused":      {history{acquire(1, 2, 7), at(3, End, 7), write(4, 5, 7, 1, true)}, true},
		"without a node":               {history{acquire(1, 2, 7), at(3, Gone, 7), write(4, 5, 7, 1, false)}, false},
		"killed, and writes":           {history{acquire(1, 2, 7), at(3, Destroy, 7), write(4, 5, 7, 1, false)}, false},
		"a former holder":              {history{acquire(1, 2, 7), at(3, End, 7), acquire(4, 5, 9), write(6, 7, 7, 1, false)}, false},
		"an open write, late":          {history{acquire(1, 2, 7), write(3, 0, 7, 1, false), read(4, 5, 0), read(6, 7, 1)}, true},
		"an open write, never":         {history{acquire(1, 2, 7), write(3, 0, 7, 1, false), read(4, 5, 0)}, true},
		"an open write, and back":      {history{acquire(1, 2, 7), write(3, 0, 7, 1, false), read(4, 5, 1), read(6, 7, 0)}, false},
		"an open write behind the successor": {history{
			acquire(1, 2, 7), write(3, 0, 7, 1, false), at(4, End, 7), acquire(5, 6, 9), read(7, 8, 0), read(9, 10, 1),
		}, false},
	} {
		assert.Equal(t, c.legal, Legal(Locks, c.history), name)
	}
}

func TestPermitsModel(t *testing.T) {
	take := func(call, ret int64, id, n int) porcupine.Operation {
		return op(call, ret, PermitInput{Kind: Take, Bundle: id, Count: n, Client: id}, nil)
	}
	at := func(at int64, kind PermitKind, n int) porcupine.Operation {
		return op(at, at, PermitInput{Kind: kind, Bundle: n, Client: n, Count: n}, nil)
	}
	resize := func(call, ret int64, n int) porcupine.Operation {
		return op(call, ret, PermitInput{Kind: Resize, Count: n}, nil)
	}
	type history = []porcupine.Operation
	for name, c := range map[string]struct {
		history history
		legal   bool
	}{
		"all of them":                    {history{take(1, 2, 1, 2), take(1, 3, 2, 1)}, true},
		"one more":                       {history{take(1, 2, 1, 2), take(1, 3, 2, 2)}, false},
		"one more, behind the end":       {history{take(1, 2, 1, 2), at(3, Return, 1), take(1, 4, 2, 2)}, true},
		"killed":                         {history{take(1, 2, 1, 2), at(3, Kill, 1), take(1, 4, 2, 2), at(5, Return, 1)}, true},
		"raised":                         {history{take(1, 2, 1, 3), resize(3, 5, 4), take(1, 4, 2, 1)}, true},
		"raised later":                   {history{take(1, 2, 1, 3), take(1, 3, 2, 1), resize(4, 5, 4)}, false},
		"lowered, nobody loses":          {history{take(1, 2, 1, 3), resize(3, 4, 1), at(5, Return, 1), take(6, 7, 2, 1)}, true},
		"lowered":                        {history{resize(1, 2, 1), take(3, 4, 1, 2)}, false},
		"lowered while it was under way": {history{take(1, 4, 1, 2), resize(2, 3, 1)}, true},
		"lowered, open":                  {history{resize(1, 0, 1), take(3, 4, 1, 2)}, true},
	} {
		assert.Equal(t, c.legal, Legal(Permits, Allow(c.history, 3)), name)
	}
}

func TestCountingModel(t *testing.T) {
	add := func(call, ret, sum int64) porcupine.Operation {
		return op(call, ret, CountInput{Kind: Add, Value: 1}, CountOutput{Value: sum})
	}
	get := func(call, ret, value int64, version int32) porcupine.Operation {
		return op(call, ret, CountInput{Kind: Get}, CountOutput{Value: value, Version: version})
	}
	compare := func(call, ret, value int64, version int32, refused bool) porcupine.Operation {
		return op(call, ret, CountInput{CompareAndSet, value, version}, CountOutput{value, version + 1, refused})
	}
	put := op(1, 2, CountInput{Kind: Put, Value: 9}, CountOutput{})
	type history = []porcupine.Operation
	for name, c := range map[string]struct {
		history history
		legal   bool
	}{
		"one after the other":      {history{add(1, 2, 1), add(3, 4, 2), get(5, 6, 2, 2)}, true},
		"at once":                  {history{add(1, 4, 2), add(2, 3, 1)}, true},
		"the same":                 {history{add(1, 4, 1), add(2, 3, 1)}, false},
		"out of order":             {history{add(1, 2, 2), add(3, 4, 1)}, false},
		"twice":                    {history{add(1, 2, 1), get(3, 4, 2, 2)}, false},
		"lost":                     {history{add(1, 2, 1), get(3, 4, 0, 0)}, false},
		"open, applied":            {history{add(1, 0, 0), get(3, 4, 1, 1)}, true},
		"open, not yet":            {history{add(1, 0, 0), get(3, 4, 0, 0), get(5, 6, 1, 1)}, true},
		"open, undone":             {history{add(1, 0, 0), get(3, 4, 1, 1), get(5, 6, 0, 0)}, false},
		"open, twice":              {history{add(1, 0, 0), get(3, 4, 2, 2)}, false},
		"set":                      {history{put, add(3, 4, 10), get(5, 6, 10, 2)}, true},
		"compared":                 {history{add(1, 2, 1), compare(3, 4, 5, 1, false), get(5, 6, 5, 2)}, true},
		"compared with another":    {history{add(1, 2, 1), compare(3, 4, 5, 0, false)}, false},
		"refused":                  {history{add(1, 2, 1), compare(3, 4, 5, 0, true)}, true},
		"refused for nothing":      {history{add(1, 2, 1), compare(3, 4, 5, 1, true)}, false},
		"compared, open":           {history{compare(1, 0, 5, 0, false), get(3, 4, 5, 1)}, true},
		"compared, open, too late": {history{compare(1, 0, 5, 0, false), add(2, 3, 1), get(4, 5, 5, 2)}, false},
	} {
		assert.Equal(t, c.legal, Legal(Counting(0, 0), c.history), name)
	}
	appear := op(1, 0, CountInput{Kind: Appear}, nil)
	assert.True(t, Legal(Counting(0, -1), history{appear, get(2, 3, 0, -1), get(4, 5, 0, 0), add(6, 7, 1), get(8, 9, 1, 1)}))
	assert.True(t, Legal(Counting(0, -1), history{appear, compare(2, 3, 5, -1, false), get(4, 5, 5, 0)}))
	assert.False(t, Legal(Counting(0, -1), history{appear, get(2, 3, 0, 0), get(4, 5, 0, -1)}))
}

// What is illegal is drawn, and the failure says where.
func TestPageOfAnIllegalHistory(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	r := NewRecorder()
	first := r.Begin(1, LockInput{Kind: Acquire, Who: "the first"})
	second := r.Begin(2, LockInput{Kind: Acquire, Who: "the second"})
	first.End(LockOutput{Token: 1})
	second.End(LockOutput{Token: 2})
	err := Judge(Locks, r.History(), t.Name()+"/x")
	require.ErrorIs(t, err, ErrIllegal)
	page := regexp.MustCompile(`\S+\.html`).FindString(err.Error())
	text, readErr := os.ReadFile(page)
	require.NoError(t, readErr)
	assert.Contains(t, string(text), "the second locks")
	assert.True(t, strings.HasPrefix(page, os.TempDir()))
}

func TestRecorder(t *testing.T) {
	r := NewRecorder()
	lost := r.Begin(3, "open")
	r.Begin(3, "failed").Drop()
	r.Begin(3, "done").End("result")
	r.Moment(4, "moment")
	history := r.History()
	require.Len(t, history, 3)
	assert.Equal(t, "open", history[0].Input)
	assert.Nil(t, history[0].Output)
	for _, o := range history[1:] {
		assert.Less(t, o.Return, history[0].Return, "open ones return behind everything")
	}
	assert.NotEqual(t, history[0].ClientId, history[1].ClientId, "its actor goes on under another number")
	assert.Equal(t, Tally{Operations: 3, Open: 1, Dropped: 1}, r.Tally())
	lost.End("late")
	assert.Equal(t, "late", r.History()[0].Output)
}
