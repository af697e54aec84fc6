package guard

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// client returns panics as framework.Client does.
type client struct{}

var errPanic = errors.New("a panic")

// Guard implements Client.
func (client) Guard(_, _ string, f func() error) (err error) {
	defer func() {
		if recover() != nil {
			err = errPanic
		}
	}()
	return f()
}

func TestACallHasTheResultOfItsFunction(t *testing.T) {
	c := Begin(client{}, "codec", "/a", func() (int, error) { return 7, nil })
	require.True(t, c.Wait(nil, nil))
	v, err := c.Result()
	require.NoError(t, err)
	assert.Equal(t, 7, v)
	for want, f := range map[error]func() (int, error){
		errPanic:  func() (int, error) { panic("x") },
		errExited: func() (int, error) { runtime.Goexit(); return 0, nil },
	} {
		c = Begin(client{}, "codec", "/a", f)
		require.True(t, c.Wait(nil, nil))
		_, err = c.Result()
		require.ErrorIs(t, err, want)
	}
}

func TestAFunctionThatDoesNotReturnIsLeftBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hold := make(chan struct{})
		blocked := func() (int, error) { <-hold; return 1, nil }
		late := 0
		c, d := Begin(client{}, "codec", "/a", blocked), Begin(client{}, "codec", "/a", blocked)
		limited, cancel := context.WithTimeout(t.Context(), Patience)
		defer cancel()
		began, quit := time.Now(), limited.Done()
		assert.False(t, c.Wait(quit, func() { late++ }))
		assert.Equal(t, Patience, time.Since(began))
		assert.False(t, d.Wait(quit, nil))
		close(hold)
		synctest.Wait()
		assert.Equal(t, 1, late)
		require.True(t, c.Wait(quit, func() { late++ }), "it has returned, which counts more than that nobody waits")
		v, _ := c.Result()
		assert.Equal(t, []int{1, 1}, []int{v, late})
	})
}
