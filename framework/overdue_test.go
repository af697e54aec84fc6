package framework

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Two callers ask for the same. That one of them has got its answer does not take the other one off the list.
func TestOverdueOfTwoCallers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const timeout = 4 * time.Second
		var list overdue
		q, lost := question{"get", "/node"}, errors.New("lost")
		list.enter(q, lost, true, timeout)
		list.enter(q, lost, true, timeout)
		time.Sleep(time.Second)
		list.leave(q, true)
		answered := time.Now()
		time.Sleep(10 * timeout)
		list.enter(q, lost, false, timeout)
		time.Sleep(10 * timeout)
		u, any := list.oldest(timeout)
		require.True(t, any)
		assert.Equal(t, answered, u.since, "until then, it was answered")
		list.leave(q, false)
		_, any = list.oldest(timeout)
		assert.True(t, any, "it is remembered for a session timeout")
		time.Sleep(timeout + 1)
		_, any = list.oldest(timeout)
		assert.False(t, any)
	})
}

// A call that comes when the list is full is listed once there is room.
func TestOverdueWhenThereIsRoomAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const timeout = 4 * time.Second
		var list overdue
		q, lost := question{"get", "/node"}, errors.New("lost")
		for i := range maxOverdue {
			list.enter(question{"get", string(rune(i))}, lost, true, timeout)
		}
		list.enter(q, lost, true, timeout)
		list.leave(question{"get", string(rune(0))}, true)
		list.enter(q, lost, false, timeout)
		time.Sleep(10 * timeout)
		_, _ = list.oldest(timeout)
		assert.Contains(t, list.m, q)
	})
}
