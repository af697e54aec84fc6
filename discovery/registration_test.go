package discovery_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/discovery"
	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/node"
	"github.com/docent-zk/docent/zktest"
)

func TestRegister(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		cli, reg := w.registry("a")
		in := instance("one")
		in.Payload = meta{"a", 3}
		r := w.register(reg, in)
		assert.Equal(t, in, r.Instance())
		assert.Equal(t, in, w.read(dir+"/one"))
		assert.Equal(t, dir+"/one", r.Path())
		assert.Equal(t, cli.State().SessionID, w.owner(dir+"/one"))
		assert.True(t, r.Standing().Stands)
		for _, parent := range []string{base, dir} {
			n := w.Dump()[parent]
			assert.Equal(t, zktest.Container, n.Mode, parent)
			assert.NotNil(t, n.Data, "null breaks others")
			assert.Empty(t, n.Data)
		}
		require.NoError(t, r.Close(t.Context()))
		assert.Empty(t, w.List(dir))
		assert.False(t, r.Standing().Stands)
		require.ErrorIs(t, r.Err(), node.ErrKeeperClosed)
		<-r.Done()
	})
}

func TestRegisterFillsInIDAndTime(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		_, reg := w.registry("a")
		now := time.Now()
		r := w.register(reg, discovery.Instance[meta]{Name: "orders", Address: "h", Port: 1})
		in := r.Instance()
		assert.Regexp(t, `^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`, in.ID)
		assert.Equal(t, now.UTC().Truncate(time.Millisecond), in.RegistrationTime)
		assert.Equal(t, []string{in.ID}, w.List(dir))
		assert.Equal(t, in, w.read(r.Path()))
		other := w.register(reg, discovery.Instance[meta]{Name: "orders", Address: "h", Port: 1})
		assert.NotEqual(t, in.ID, other.Instance().ID)
	})
}

func TestTypes(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		cli, reg := w.registry("a")
		for typ, want := range map[discovery.Type]struct {
			name      string
			ephemeral bool
		}{
			discovery.Dynamic: {`x`, true}, discovery.Static: {`x`, false}, discovery.Permanent: {`x`, false},
			discovery.DynamicSequential: {`x\d{10}`, true},
		} {
			in := instance("x")
			in.Type = typ
			r := w.register(reg, in)
			names := w.List(dir)
			require.Len(t, names, 1, typ)
			assert.Regexp(t, "^"+want.name+"$", names[0])
			assert.Equal(t, dir+"/"+names[0], r.Path())
			assert.Equal(t, in, w.read(r.Path()))
			assert.Equal(t, want.ephemeral, w.owner(r.Path()) == cli.State().SessionID, typ)
			require.NoError(t, r.Close(t.Context()))
			assert.Empty(t, w.List(dir), typ)
		}
		assert.Equal(t, "Type(9)", discovery.Type(9).String())
	})
}

// A static instance stays when its process dies, and the next one takes it over.
func TestStaticOutlivesItsProcess(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		cli, reg := w.registry("a")
		in := instance("x")
		in.Type = discovery.Static
		r := w.register(reg, in)
		require.NoError(t, cli.Close())
		require.Error(t, r.Close(t.Context()), "it may still stand")
		assert.Equal(t, in, w.read(dir+"/x"))
		_, reg = w.registry("b")
		in.Port = 9090
		r = w.register(reg, in)
		assert.Equal(t, in, w.read(dir+"/x"))
		require.NoError(t, r.Close(t.Context()))
		assert.Empty(t, w.List(dir))
	})
}

func TestInvalidInstances(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		_, reg := w.registry("a")
		for name, spoil := range map[string]func(*discovery.Instance[meta]){
			"no name": func(in *discovery.Instance[meta]) { in.Name = "" }, "slash": func(in *discovery.Instance[meta]) { in.ID = "a/b" },
			"dots": func(in *discovery.Instance[meta]) { in.Name = ".." }, "dot": func(in *discovery.Instance[meta]) { in.ID = "." },
			"port": func(in *discovery.Instance[meta]) { in.Port = 65536 }, "negative": func(in *discovery.Instance[meta]) { in.SSLPort = -1 },
			"type": func(in *discovery.Instance[meta]) { in.Type = 4 }, "NUL": func(in *discovery.Instance[meta]) { in.ID = "a\x00" },
			"root": func(in *discovery.Instance[meta]) { in.Name = "/" },
		} {
			in := instance("one")
			spoil(&in)
			_, err := reg.Register(t.Context(), in)
			require.ErrorIs(t, err, discovery.ErrInvalidInstance, name)
		}
		assert.Empty(t, w.List(base))
		_, err := discovery.New[chan int](w.Connect("b"), base).Register(t.Context(), discovery.Instance[chan int]{Name: "x", Payload: make(chan int)})
		require.ErrorIs(t, err, discovery.ErrInvalidInstance)
		_, err = discovery.New[meta](w.Connect("c"), "//").Register(t.Context(), instance("one"))
		require.NoError(t, err, "the root is a base path")
	})
}

func TestUpdate(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		_, reg := w.registry("a")
		r := w.register(reg, instance("one"))
		before := w.Counts()
		require.NoError(t, r.Update(t.Context(), discovery.Instance[meta]{Name: "orders", Address: "h", Port: 9090}))
		assert.Equal(t, int64(1), w.Counts().Sub(before).RoundTrips())
		want := discovery.Instance[meta]{Name: "orders", ID: "one", Address: "h", Port: 9090, RegistrationTime: registered}
		assert.Equal(t, want, w.read(dir+"/one"))
		assert.Equal(t, want, r.Instance())
		for _, in := range []discovery.Instance[meta]{
			{Name: "others", Address: "h", Port: 1}, {Name: "orders", ID: "two", Address: "h", Port: 1},
			{Name: "orders", Type: discovery.Static, Address: "h", Port: 1}, {Name: "orders", Address: "h", Port: -1},
			{Name: "orders", Port: 9090}, {Name: "orders", Address: "h:80"},
		} {
			require.ErrorIs(t, r.Update(t.Context(), in), discovery.ErrInvalidInstance)
		}
		assert.Equal(t, want, w.read(dir+"/one"))
		require.NoError(t, r.Close(t.Context()))
		require.ErrorIs(t, r.Update(t.Context(), want), discovery.ErrEnding)
	})
}

// An update in an outage is written when it is over; what its caller gave up is as well.
func TestUpdateInAnOutage(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		_, reg := w.registry("a")
		r := w.register(reg, instance("one"))
		over := w.Outage()
		in := instance("one")
		in.Port = 1
		require.ErrorIs(t, r.Update(within(t, time.Second), in), context.DeadlineExceeded)
		assert.Equal(t, in, r.Instance())
		done := make(chan error, 1)
		go func() { done <- r.WaitStanding(t.Context()) }()
		over()
		require.NoError(t, <-done)
		time.Sleep(timeout)
		assert.Equal(t, in, w.read(dir+"/one"))
	})
}

// Scenario: a blip within the session costs no write and no watch event.
func TestBriefDisconnectionCostsNothing(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		cli, reg := w.registry("a")
		r := w.register(reg, instance("one"))
		observer := w.Connect("b")
		_, _, children, err := observer.WatchChildren(t.Context(), dir)
		require.NoError(t, err)
		_, data, err := observer.WatchData(t.Context(), dir+"/one")
		require.NoError(t, err)
		before := w.Counts()
		for range 3 {
			w.Cut(zktest.ClientConns("a"))
			w.WaitState(cli, framework.Reconnected)
			settle()
		}
		assert.Zero(t, w.Counts().Sub(before).Writes())
		assert.Zero(t, w.Counts().Sub(before).Events)
		assert.Empty(t, children.C)
		assert.Empty(t, data.C)
		assert.True(t, r.Standing().Stands)
	})
}

// Scenario: a new session, while the old node stands: nobody sees the instance absent.
func TestNewSessionLeavesNoGap(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		cli, reg := w.registry("a")
		r := w.register(reg, instance("one"))
		old := w.owner(dir + "/one")
		observer, stop := w.observe(dir + "/one")
		over := w.Outage() // the session lives on the servers, and the client counts it as lost
		w.WaitState(cli, framework.Lost)
		over()
		w.WaitState(cli, framework.Connected)
		settle()
		require.NoError(t, r.WaitStanding(t.Context()))
		time.Sleep(3 * timeout) // the old session ends
		assert.NotEqual(t, old, w.owner(dir+"/one"))
		assert.Equal(t, cli.State().SessionID, w.owner(dir+"/one"))
		stop()
		observer.never(t)
		assert.Equal(t, instance("one"), w.read(dir+"/one"))
	})
}

// Scenario: a process is restarted while its old session lives.
func TestRestartWhileTheOldSessionLives(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		_, reg := w.registry("old")
		w.register(reg, instance("one"))
		heal := w.Silence("old")
		defer heal()
		observer, stop := w.observe(dir + "/one")
		cli, reg := w.registry("new")
		in := instance("one")
		in.Port = 9090
		w.register(reg, in)
		assert.Equal(t, in, w.read(dir+"/one"), "at once")
		time.Sleep(3 * timeout)
		stop()
		observer.never(t)
		assert.Equal(t, in, w.read(dir+"/one"), "after the end of the old session")
		assert.Equal(t, cli.State().SessionID, w.owner(dir+"/one"))
	})
}

// Scenario: deleted from outside.
func TestDeletedFromOutside(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		_, reg := w.registry("a")
		for _, typ := range []discovery.Type{discovery.Dynamic, discovery.Static} {
			in := instance(typ.String())
			in.Type = typ
			r := w.register(reg, in)
			time.Sleep(time.Minute)
			require.NoError(t, w.Delete(r.Path()))
			settle()
			assert.Equal(t, in, w.read(r.Path()))
		}
	})
}

// Scenario: closed in an outage; when it heals there is no ghost.
func TestCloseInAnOutage(t *testing.T) {
	for _, typ := range []discovery.Type{discovery.Dynamic, discovery.Static, discovery.DynamicSequential} {
		for name, wait := range map[string]time.Duration{"within the session": 0, "lost": 2 * timeout} {
			t.Run(typ.String()+" "+name, func(t *testing.T) {
				bubble(t, func(t *testing.T, w *world) {
					_, reg := w.registry("a")
					in := instance("one")
					in.Type = typ
					r := w.register(reg, in)
					over := w.Outage()
					time.Sleep(wait)
					require.ErrorIs(t, r.Close(within(t, time.Second)), context.DeadlineExceeded)
					require.NotEmpty(t, w.List(dir))
					over()
					require.NoError(t, r.Close(within(t, time.Hour)))
					time.Sleep(time.Minute)
					assert.Empty(t, w.List(dir))
				})
			})
		}
	}
}

// Whoever gives up registering leaves nothing behind.
func TestRegisterGivenUpInAnOutage(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		_, reg := w.registry("a")
		heal := w.Silence("a")
		_, err := reg.Register(within(t, time.Second), instance("one"))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		heal()
		time.Sleep(time.Minute)
		assert.Empty(t, w.List(dir))
	})
}
