package framework

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/docent-zk/docent/internal/wire"
)

// How calls end.
var (
	answeredWell    error
	answeredUnknown error = &wire.CodeError{Code: codeUnimplemented}
	hungUp                = fmt.Errorf("%w: %w", wire.ErrUnanswered, wire.ErrHungUp)
	replyLost             = fmt.Errorf("%w: %w", wire.ErrUnanswered, wire.ErrReplyLost)
	noReply               = fmt.Errorf("%w: %w", wire.ErrUnanswered, wire.ErrNoReply)
)

// learned is a table, and what the log was told.
type learned struct {
	capabilities
	log bytes.Buffer
}

func newLearned() *learned {
	l := &learned{}
	l.init(slog.New(slog.NewTextHandler(&l.log, nil)))
	return l
}

// said counts lines of the log.
func (l *learned) said() int { return strings.Count(l.log.String(), "\n") }

// end ends calls that nothing else was under way with, as the table asks for.
func (l *learned) end(errs ...error) {
	k := l.kind(capAddWatch)
	for _, err := range errs {
		k.Ended(k.Alone(), err)
	}
}

func TestKindsOfRequestsAreTakenForUnknown(t *testing.T) {
	refused, closed := errors.Join(answeredUnknown), hungUp
	for name, c := range map[string]struct {
		ends []error
		has  bool
	}{
		"nothing":                            {nil, true},
		"an answer":                          {[]error{answeredWell}, true},
		"unimplemented":                      {[]error{refused}, false},
		"unimplemented after an answer":      {[]error{answeredWell, refused}, false},
		"one loss":                           {[]error{closed}, true},
		"two losses":                         {[]error{closed, closed}, false},
		"two lost replies":                   {[]error{replyLost, replyLost}, false},
		"two that were not answered":         {[]error{noReply, hungUp}, false},
		"an answer between losses":           {[]error{closed, &wire.CodeError{Code: codeNoNode}, closed}, true},
		"two losses after an answer":         {[]error{answeredWell, closed, closed}, true},
		"three losses after an answer":       {[]error{answeredWell, closed, closed, closed}, false},
		"too busy to look between losses":    {[]error{closed, &wire.CodeError{Code: codeTooBusy}, closed}, false},
		"not sent":                           {[]error{wire.ErrNotSent, wire.ErrNotSent, wire.ErrNotSent}, true},
		"silence":                            {[]error{fmt.Errorf("%w: %w", wire.ErrUnanswered, wire.ErrSilent), closed}, true},
		"a reply that is too long is one":    {[]error{closed, wire.ErrReplyTooLong, closed}, true},
		"the end over somebody else's reply": {[]error{fmt.Errorf("%w: %w", wire.ErrUnanswered, wire.ErrMalformed), closed}, true},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLearned()
			l.end(c.ends...)
			assert.Equal(t, c.has, l.has(capAddWatch))
			assert.True(t, l.has(capCreate2), "of another kind nothing is known")
			if c.has {
				assert.NoError(t, l.lack(capAddWatch))
				assert.Empty(t, l.lacks())
				assert.Zero(t, l.said())
				return
			}
			assert.ErrorIs(t, l.lack(capAddWatch), ErrUnsupported)
			assert.ErrorContains(t, l.lack(capAddWatch), "addWatch")
			assert.Len(t, l.lacks(), 1)
			assert.Equal(t, 1, l.said())
		})
	}
}

// Many requests of a kind are under way when connections end. That is one loss each time, and none while others are under way too.
func TestLossesBesideOthers(t *testing.T) {
	l := newLearned()
	k := l.kind(capAddWatch)
	assert.False(t, k.Alone())
	for range 100 {
		k.Ended(false, hungUp)
	}
	assert.True(t, l.has(capAddWatch))
	assert.True(t, k.Alone(), "it is under suspicion")
	k.Ended(true, answeredWell)
	assert.False(t, k.Alone())
	assert.True(t, l.answers(capAddWatch))
}

// What was denied is tried again after an hour, if there has been a connection in that time that may be one to another server.
func TestDenialsExpire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLearned()
		l.end(hungUp, hungUp)
		l.connected() // the next one after the loss
		time.Sleep(2 * relearnAfter)
		assert.False(t, l.has(capAddWatch), "there was no other connection")
		l.connected()
		assert.True(t, l.has(capAddWatch))
		assert.NoError(t, l.lack(capAddWatch))
		assert.True(t, l.kind(capAddWatch).Alone())
		l.end(hungUp)
		assert.False(t, l.has(capAddWatch), "one loss is enough now")
		assert.Equal(t, 1, l.said(), "the log knows")

		time.Sleep(relearnAfter / 2)
		l.connected()
		assert.False(t, l.has(capAddWatch), "it is too early")
		time.Sleep(relearnAfter / 2)
		assert.True(t, l.has(capAddWatch))
		assert.Len(t, l.lacks(), 1, "it is not known yet")
		l.end(answeredWell)
		assert.True(t, l.answers(capAddWatch))
		assert.False(t, l.kind(capAddWatch).Alone())
		assert.Empty(t, l.lacks())
		assert.Equal(t, 2, l.said())
		assert.Contains(t, l.log.String(), "did not support before")
	})
}

// A long request is given up after three connections, two of which had nothing else under way.
func TestOversize(t *testing.T) {
	o := &oversize{}
	end := func(errs ...error) {
		for _, err := range errs {
			o.Ended(o.Alone(), err)
		}
	}
	end(wire.ErrNotSent, &wire.CodeError{Code: codeNoNode}, answeredWell)
	assert.False(t, o.Alone())
	end(hungUp)
	assert.True(t, o.Alone())
	o.Ended(false, hungUp)
	o.Ended(false, hungUp)
	end(hungUp)
	assert.NoError(t, o.out(100_000, hungUp))
	end(hungUp)
	assert.ErrorIs(t, o.out(100_000, hungUp), ErrTooLarge)
	assert.NoError(t, (*oversize)(nil).out(1, hungUp))
}
