package cache_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/cache"
	"github.com/docent-zk/docent/framework"
)

// journal is a log that can be read while it is written.
type journal struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.buf.Write(p)
}

// lines are those that contain a text.
func (j *journal) lines(text string) []string {
	synctest.Wait()
	j.mu.Lock()
	defer j.mu.Unlock()
	var all []string
	for line := range strings.Lines(j.buf.String()) {
		if strings.Contains(line, text) {
			all = append(all, line)
		}
	}
	return all
}

// logging has a client log, at debug level, to a journal.
func (j *journal) logging(c *framework.Config) {
	c.Logger = slog.New(slog.NewTextHandler(j, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

var errLimit = errors.New("the limit is not above 0")

// decodeApp is JSON that panics at one name.
func decodeApp(data []byte) (app, error) {
	a, err := cache.JSON[app]()(data)
	if a.Name == "panic" {
		panic("boom")
	}
	if a.Name == "nil" {
		var none *nilError
		return a, none
	}
	return a, err
}

// nilError panics when it is asked what is wrong.
type nilError struct{ text string }

func (e *nilError) Error() string { return e.text }

// Whatever becomes of a configuration, the last good value stays, and all who look are told.
func TestLastGoodValueStaysAndTheRejectionIsReported(t *testing.T) {
	check := cache.Validate(func(a app) error {
		if a.Name == "invalid panic" {
			panic("invalid boom")
		}
		if a.Limit <= 0 {
			return errLimit
		}
		return nil
	})
	for _, c := range []struct {
		data string // "-" for a deleted node
		err  error
		text string
	}{
		{"-", framework.ErrNoNode, "the node was deleted"},
		{"", cache.ErrEmpty, "version 1"},
		{"null", cache.ErrEmpty, "version 1"},
		{" null\n", cache.ErrEmpty, "version 1"},
		{"{", nil, "data of /app, version 1: unexpected end"},
		{`{"Limit": 0}`, errLimit, "version 1"},
		{`{"Name": "panic"}`, framework.ErrPanicked, "the codec for /app: boom"},
		{`{"Name": "invalid panic"}`, framework.ErrPanicked, "the validator for /app: invalid boom"},
		{`{"Name": "nil"}`, framework.ErrPanicked, "nil pointer"},
	} {
		t.Run(c.data, func(t *testing.T) {
			alone(t, func(t *testing.T, w *world) {
				w.Put("/app", `{"Limit": 7}`)
				var log journal
				cli := w.Connect("c", log.logging)
				v := openValue(w, cli, "/app", decodeApp, check)
				require.Equal(t, 7, v.Load().Limit)
				if c.data == "-" {
					w.raze("/app")
				} else {
					w.set("/app", c.data)
				}
				time.Sleep(time.Second)
				assert.Equal(t, app{Limit: 7}, v.Load())
				require.ErrorContains(t, v.Err(), c.text)
				if c.err != nil {
					require.ErrorIs(t, v.Err(), c.err)
				}
				_, err := v.Fresh()
				require.Error(t, err)
				r := listed(t, cli)
				assert.Equal(t, "rejected", r.Status.State)
				require.ErrorIs(t, r.Status.Err, framework.ErrDegraded)
				require.ErrorContains(t, r.Status.Err, c.text)
				assert.Len(t, log.lines("value rejected"), 1)
				assert.Contains(t, log.lines("value rejected")[0], "path=/app")
				panics := log.lines(`msg="a function has panicked"`)
				if errors.Is(c.err, framework.ErrPanicked) {
					require.Len(t, panics, 2, "a warning, and the stack at debug level")
					assert.Contains(t, panics[0], "level=WARN")
					assert.Regexp(t, "function=(codec|validator) path=/app", panics[0])
					assert.Contains(t, panics[1], "level=DEBUG")
					assert.Contains(t, panics[1], "rejected_test.go")
				} else {
					assert.Empty(t, panics)
				}
				assert.Empty(t, cli.Health().Reasons, "it may pass")
				time.Sleep(timeout)
				h := cli.Health()
				require.Len(t, h.Reasons, 1)
				assert.True(t, h.Reasons[0].Notice)
				assert.True(t, h.Ready(), "it is no reason to stop")
				assert.Contains(t, h.String(), c.text)
				if c.data == "-" {
					w.Put("/app", `{"Limit": 8}`)
				} else {
					w.set("/app", `{"Limit": 8}`)
				}
				time.Sleep(time.Second)
				assert.Equal(t, app{Limit: 8}, v.Load())
				assert.NoError(t, v.Err())
				assert.Equal(t, "fresh", listed(t, cli).Status.State)
				assert.Equal(t, "well", cli.Health().String())
				assert.Len(t, log.lines("value accepted again"), 1)
			})
		})
	}
}

// Without any good value a process is not ready.
func TestValueThatWasNeverGoodIsAProblem(t *testing.T) {
	alone(t, func(t *testing.T, w *world) {
		w.Put("/app", "null")
		cli := w.Connect("c")
		v := openValue(w, cli, "/app", cache.JSON[app](), cache.NoWait())
		time.Sleep(2 * timeout)
		require.ErrorIs(t, v.Err(), cache.ErrEmpty)
		assert.False(t, cli.Health().Ready())
	})
}

func TestADefaultIsNotTakenForADeletedNode(t *testing.T) {
	alone(t, func(t *testing.T, w *world) {
		cli := w.Connect("c")
		open := func(opts ...cache.ValueOption) *cache.Value[string] {
			v, err := cache.OpenValueOr(t.Context(), cli, "/app", cache.Text(), "default", opts...)
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, v.Close()) })
			assert.Equal(t, "default", v.Load())
			assert.NoError(t, v.Err(), "there was none yet")
			return v
		}
		kept, given := open(), open(cache.DefaultOnDelete())
		w.Put("/app", "text")
		time.Sleep(time.Second)
		w.raze("/app")
		time.Sleep(time.Second)
		assert.Equal(t, []string{"text", "default"}, []string{kept.Load(), given.Load()})
		require.ErrorIs(t, kept.Err(), framework.ErrNoNode)
		assert.NoError(t, given.Err())
		assert.Equal(t, "/app", kept.Read().Node.Path)
		assert.Empty(t, given.Read().Node.Path)
		open() // anew, it knows of no node
		w.Put("/app", "more")
		time.Sleep(time.Second)
		assert.Equal(t, []string{"more", "more"}, []string{kept.Load(), given.Load()})
		assert.NoError(t, kept.Err())
	})
}

// A node that is as it was when it comes back is good again, as is one whose refusal ends.
func TestEmptyDataIsForCodecsThatWantIt(t *testing.T) {
	alone(t, func(t *testing.T, w *world) {
		w.Put("/app", "")
		cli := w.Connect("c")
		_, err := cache.OpenValue(t.Context(), cli, "/app", cache.Text())
		require.ErrorIs(t, err, cache.ErrEmpty)
		v := openValue(w, cli, "/app", cache.Text(), cache.AllowEmpty())
		assert.NoError(t, v.Err())
		w.set("/app", "null")
		time.Sleep(time.Second)
		assert.Equal(t, "null", v.Load(), "a word like any other, but in JSON")
	})
}

// A codec that does not return keeps its Value from nothing: not from later states, from its end, or from the result.
func TestACodecThatDoesNotReturn(t *testing.T) {
	alone(t, func(t *testing.T, w *world) {
		hold := make(chan struct{})
		var held atomic.Int32
		codec := func(data []byte) (string, error) {
			if strings.HasPrefix(string(data), "hold") {
				held.Add(1)
				<-hold
			}
			return string(data), nil
		}
		w.Put("/app", "good")
		cli := w.Connect("c")
		v, other := openValue(w, cli, "/app", codec), openValue(w, cli, "/app", cache.Text())
		w.set("/app", "hold 1")
		time.Sleep(9 * time.Second)
		assert.NoError(t, v.Err(), "it may take its time")
		assert.Equal(t, "hold 1", other.Load())
		time.Sleep(2 * time.Second)
		assert.Equal(t, "good", v.Load())
		require.ErrorIs(t, v.Err(), framework.ErrBlocked)
		w.set("/app", "better")
		time.Sleep(time.Second)
		assert.Equal(t, "better", v.Load(), "a later state is not kept waiting")
		assert.NoError(t, v.Err())
		w.set("/app", "hold 2")
		time.Sleep(11 * time.Second)
		require.ErrorIs(t, v.Err(), framework.ErrBlocked)
		close(hold)
		time.Sleep(time.Second)
		assert.Equal(t, "hold 2", v.Load(), "late, but it is what the node is")
		assert.NoError(t, v.Err())
		assert.Equal(t, 2, v.Read().Rejected)
		assert.EqualValues(t, 2, held.Load())
	})
}

// A result that comes when the node is in another state is nobody's. One that is not in when its session ends is asked for anew.
func TestResultsOfACodecThatComeLate(t *testing.T) {
	alone(t, func(t *testing.T, w *world) {
		hold := make(chan struct{})
		codec := func(data []byte) (string, error) {
			if strings.HasPrefix(string(data), "hold") {
				<-hold
			}
			return string(data), nil
		}
		w.Put("/app", "good")
		cli := w.Connect("c")
		v := openValue(w, cli, "/app", codec)
		w.set("/app", "hold")
		time.Sleep(11 * time.Second)
		w.set("/app", "better")
		time.Sleep(time.Second)
		hold <- struct{}{}
		time.Sleep(time.Second)
		assert.Equal(t, "better", v.Load())
		assert.NoError(t, v.Err())
		w.set("/app", "hold again")
		time.Sleep(time.Second)
		w.ExpireSession(cli.State().SessionID)
		time.Sleep(time.Second)
		close(hold)
		time.Sleep(time.Minute)
		assert.Equal(t, "hold again", v.Load())
		assert.NoError(t, v.Err())
	})
}

// Calls that never return are not piled up, and nobody waits for them in the end.
func TestCodecsThatNeverReturnAreFew(t *testing.T) {
	alone(t, func(t *testing.T, w *world) {
		hold := make(chan struct{})
		var calls atomic.Int32
		w.Put("/app", "good")
		cli := w.Connect("c")
		v := openValue(w, cli, "/app", func(data []byte) (string, error) {
			if string(data) != "good" {
				calls.Add(1)
				<-hold
			}
			return string(data), nil
		})
		for i := range 20 {
			w.set("/app", fmt.Sprint(i))
			time.Sleep(11 * time.Second)
			require.ErrorIs(t, v.Err(), framework.ErrBlocked)
		}
		assert.EqualValues(t, 8, calls.Load())
		w.set("/app", "last")
		time.Sleep(time.Second)
		began := time.Now()
		require.NoError(t, v.Close())
		require.NoError(t, cli.Close())
		assert.Less(t, time.Since(began), time.Second)
		assert.Equal(t, "good", v.Load())
		close(hold)
		synctest.Wait()
	})
}

// Nor does opening wait longer than its context.
func TestOpeningWithACodecThatDoesNotReturn(t *testing.T) {
	alone(t, func(t *testing.T, w *world) {
		hold := make(chan struct{})
		w.Put("/app", "x")
		cli := w.Connect("c")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		_, err := cache.OpenValue(ctx, cli, "/app", func([]byte) (int, error) { <-hold; return 1, nil })
		require.Error(t, err)
		assert.Equal(t, time.Second, time.Since(began).Round(time.Millisecond))
		_, err = cache.OpenValue(t.Context(), cli, "/app", func([]byte) (int, error) { <-hold; return 1, nil })
		require.ErrorIs(t, err, framework.ErrBlocked)
		close(hold)
		synctest.Wait()
		assert.Empty(t, cli.Recipes())
	})
}

func TestOptionsOfAValueThatCannotBe(t *testing.T) {
	alone(t, func(t *testing.T, w *world) {
		cli := w.Connect("c")
		refuse := func(text string, codec cache.Codec[string], opts ...cache.ValueOption) {
			t.Helper()
			_, err := cache.OpenValue(t.Context(), cli, "/app", codec, opts...)
			require.ErrorContains(t, err, text)
			require.ErrorContains(t, err, "value cache /app")
		}
		refuse("the Codec is nil", nil)
		refuse("func(int) error, which does not take a string", cache.Text(), cache.Validate(func(int) error { return nil }))
		refuse("nil function", cache.Text(), cache.Validate[string](nil))
		refuse("needs a default", cache.Text(), cache.DefaultOnDelete())
		assert.Empty(t, cli.Recipes())
	})
}
