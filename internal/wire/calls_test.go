package wire

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/internal/jute"
)

// testCall is a Call with what it got.
type testCall struct {
	Call
	data string
	stat jute.Stat
	over int   // how often Over was called
	err  error // with what
}

func newCall(op int32, path string, body Body) *testCall {
	c := &testCall{Call: Call{Op: op, Path: path, Body: body, Written: make(chan struct{})}}
	c.Over = func(err error) { c.over, c.err = c.over+1, err }
	return c
}

// getData reads a node.
func getData(path string) *testCall {
	c := newCall(opGetData, path, &jute.PathWatchRequest{Path: path})
	c.Decode = func(d *jute.Decoder) error {
		c.data = string(d.Buffer())
		c.stat.Decode(d)
		return nil
	}
	return c
}

// setData writes a node.
func setData(path, data string) *testCall {
	c := newCall(opSetData, path, &jute.SetDataRequest{Path: path, Data: []byte(data), Version: -1})
	c.Decode = func(d *jute.Decoder) error { c.stat.Decode(d); return nil }
	return c
}

// deleteNode deletes a node.
func deleteNode(path string) *testCall {
	return newCall(opDelete, path, &jute.PathInt32Request{Path: path, Value: -1})
}

// never returns a channel that is closed after a minute.
func never(t testing.TB) <-chan struct{} {
	ch := make(chan struct{})
	timer := time.AfterFunc(time.Minute, func() { close(ch) })
	t.Cleanup(func() { timer.Stop() })
	return ch
}

// ended waits for the end of the call and returns its error, which Over must have got, once.
func (c *testCall) ended(t testing.TB) error {
	t.Helper()
	over, err := c.Wait(never(t))
	require.True(t, over, "the call to %s has not ended", c.Path)
	assert.Equal(t, 1, c.over, "calls of Over")
	assert.Equal(t, err, c.err)
	return err
}

// closed reports whether a channel is.
func closed(ch <-chan struct{}) bool {
	select {
	case <-ch:
		return true
	default:
		return false
	}
}
