package discovery_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/cache"
	"github.com/docent-zk/docent/discovery"
	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/zktest"
)

// open opens a view of orders.
func (w *world) open(reg *discovery.Registry[meta], opts ...discovery.ServiceOption) *discovery.Service[meta] {
	w.t.Helper()
	svc, err := reg.Open(w.t.Context(), "orders", opts...)
	require.NoError(w.t, err)
	w.t.Cleanup(func() { require.NoError(w.t, svc.Close()) })
	return svc
}

// keys are the keys of endpoints.
func keys(endpoints []*discovery.Endpoint[meta]) []string {
	var names []string
	for _, e := range endpoints {
		names = append(names, e.Key())
	}
	return names
}

// shown are the keys of all instances of a view.
func shown(svc *discovery.Service[meta]) []string { return keys(slices.Collect(svc.Instances())) }

// picked counts what n calls of Pick return. Each use is over at once.
func picked(t *testing.T, svc *discovery.Service[meta], n int) map[string]int {
	t.Helper()
	counts := map[string]int{}
	for range n {
		e, err := svc.Pick()
		require.NoError(t, err)
		counts[e.Key()]++
		e.Done(nil)
	}
	return counts
}

// names are the keys that picked has returned, in order.
func names(counts map[string]int) []string { return slices.Sorted(maps.Keys(counts)) }

func TestOpen(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		_, reg := w.registry("a")
		one := w.register(reg, instance("one"))
		w.register(reg, instance("two"))
		_, reading := w.registry("b")
		svc := w.open(reading)
		assert.Equal(t, "orders", svc.Name())
		assert.Equal(t, []string{"one", "two"}, shown(svc), "complete when Open returns")
		assert.Equal(t, map[string]int{"one": 5, "two": 5}, picked(t, svc, 10))
		assert.Zero(t, svc.StaleSince())
		for e := range svc.Instances() {
			assert.Equal(t, instance(e.Key()), e.Instance)
			break
		}

		w.register(reg, instance("three"))
		assert.Equal(t, []string{"one", "three", "two"}, shown(svc))
		in := instance("one")
		in.Port = 9090
		require.NoError(t, one.Update(t.Context(), in))
		settle()
		assert.Equal(t, 9090, slices.Collect(svc.Instances())[0].Port)
		require.NoError(t, one.Close(t.Context()))
		settle()
		assert.Equal(t, []string{"three", "two"}, shown(svc))
		assert.Equal(t, []string{"three", "two"}, names(picked(t, svc, 10)))
	})
}

// A view answers without a request. A service that does not change costs a check of each node, and of the registration's watch, once in
// 10 session timeouts.
func TestViewIsRequestFree(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		_, reg := w.registry("a")
		w.register(reg, instance("one"))
		svc := w.open(reg)
		settle()
		before := w.Counts()
		picked(t, svc, 100)
		shown(svc)
		time.Sleep(time.Hour)
		cost := w.Counts().Sub(before)
		checks := cost.Requests[zktest.OpExists]
		assert.Zero(t, cost.RoundTrips()-checks)
		assert.LessOrEqual(t, checks, 3*int64(time.Hour/(8*timeout)))
	})
}

func TestNothingToPick(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		_, reg := w.registry("a")
		svc := w.open(reg)
		says := func(text string) {
			t.Helper()
			_, err := svc.Pick()
			require.ErrorIs(t, err, discovery.ErrNoInstances)
			assert.ErrorContains(t, err, text)
		}
		says("there is no node /services/orders")
		in := instance("one")
		in.Disabled = true
		r := w.register(reg, in)
		w.Put(dir+"/broken", "{")
		settle()
		says("1 disabled, 1 skipped")
		assert.Equal(t, []string{"one"}, shown(svc))
		require.NoError(t, r.Close(t.Context()))
		require.NoError(t, w.Delete(dir+"/broken"))
		settle()
		says("none is registered")
		require.NoError(t, w.Delete(dir))
		settle()
		says("there is no node")
		w.register(reg, instance("one"))
		assert.Equal(t, map[string]int{"one": 3}, picked(t, svc, 3), "it comes when it is there")
	})
}

func TestOpenErrors(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		cli, reg := w.registry("a")
		for _, name := range []string{"", "/", "..", "a//b", "a\x00"} {
			_, err := reg.Open(t.Context(), name)
			require.ErrorIs(t, err, framework.ErrInvalidPath, name)
		}
		for _, e := range []discovery.Ejection{{Errors: 1001}, {Window: -1}, {Duration: -1}, {MaxShare: 1}, {MaxShare: -0.1}} {
			_, err := reg.Open(t.Context(), "orders", discovery.WithEjection(e))
			require.ErrorContains(t, err, "ejection")
		}
		over := w.Outage()
		_, err := reg.Open(within(t, time.Second), "orders")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		over()
		require.NoError(t, cli.Close())
		_, err = reg.Open(t.Context(), "orders")
		require.ErrorIs(t, err, framework.ErrClosed)
	})
}

func TestCloseOfAView(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		cli, reg := w.registry("a")
		w.register(reg, instance("one"))
		svc := w.open(reg)
		changes := svc.Changes(t.Context())
		<-changes
		require.NoError(t, svc.Close())
		_, open := <-changes
		assert.False(t, open)
		_, err := svc.Pick()
		require.ErrorIs(t, err, discovery.ErrServiceClosed)
		_, open = <-svc.Changes(t.Context())
		assert.False(t, open)
		require.ErrorIs(t, svc.WaitFresh(t.Context()), discovery.ErrServiceClosed)
		require.NoError(t, svc.Close())

		svc = w.open(reg)
		changes = svc.Changes(t.Context())
		<-changes
		require.NoError(t, cli.Close())
		_, open = <-changes
		assert.False(t, open, "the client has ended")
		assert.Equal(t, map[string]int{"one": 3}, picked(t, svc, 3), "what was known is served")
		assert.NotZero(t, svc.StaleSince())
		require.ErrorIs(t, svc.WaitFresh(t.Context()), framework.ErrClosed)
	})
}

// Scenario: one child with broken JSON, empty data, an unknown payload class. It is skipped and counted, and the rest is served.
func TestBrokenSiblings(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		codec := discovery.WithCodec(discovery.JSON[meta](discovery.Class("com.example.Meta")))
		_, reg := w.registry("a", codec)
		good := instance("good")
		w.register(reg, good)
		w.Put(dir+"/broken", `{"name":"orders",`)
		w.Put(dir+"/class", head+`{"@class":"com.example.Other","zone":"a"}`+tail+`}`)
		w.Put(dir+"/empty", "")
		w.Put(dir+"/text", head+`"text"`+tail+`}`)
		_, err := w.Create(dir+"/null", nil, zktest.Persistent)
		require.NoError(t, err)
		want := []string{dir + "/broken", dir + "/class", dir + "/empty", dir + "/null", dir + "/text"}

		instances, skipped, err := reg.Instances(t.Context(), "orders")
		require.NoError(t, err)
		assert.Equal(t, []discovery.Instance[meta]{good}, instances)
		checkSkipped(t, want, skipped)
		svc := w.open(reg)
		assert.Equal(t, []string{"good"}, shown(svc))
		assert.Equal(t, map[string]int{"good": 5}, picked(t, svc, 5))
		checkSkipped(t, want, svc.Skipped())

		require.NoError(t, w.Delete(dir+"/broken"))
		require.NoError(t, w.Set(dir+"/empty", []byte(`{"address":"h","port":1,"payload":{"zone":"b"}}`)))
		require.NoError(t, w.Set(dir+"/text", []byte(`broken in another way`)))
		settle()
		assert.Equal(t, []string{"empty", "good"}, shown(svc), "who is repaired is in")
		checkSkipped(t, []string{dir + "/class", dir + "/null", dir + "/text"}, svc.Skipped())
	})
}

func checkSkipped(t *testing.T, want []string, skipped []discovery.Skipped) {
	t.Helper()
	var paths []string
	for _, s := range skipped {
		paths = append(paths, s.Path)
		assert.ErrorIs(t, s.Err, discovery.ErrUnreadable, s.Path)
	}
	assert.Equal(t, want, paths)
}

// A node that may not be read is left out as well.
func TestForbiddenSibling(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		cli, reg := w.registry("a")
		w.register(reg, instance("good"))
		_, err := cli.Create(t.Context(), dir+"/secret", []byte("{}"), framework.WithACL(framework.DigestACL(31, "u", "s3cr3t")))
		require.NoError(t, err)
		_, skipped, err := reg.Instances(t.Context(), "orders")
		require.NoError(t, err)
		require.Len(t, skipped, 1)
		require.ErrorIs(t, skipped[0].Err, framework.ErrNoAuth)
		svc := w.open(reg)
		assert.Equal(t, []string{"good"}, shown(svc))
		require.Len(t, svc.Skipped(), 1)
		assert.Equal(t, dir+"/secret", svc.Skipped()[0].Path)
		require.ErrorIs(t, svc.Skipped()[0].Err, framework.ErrNoAuth)
	})
}

// Scenario: the registry is unreachable for an hour. Instances are served, and marked stale.
func TestRegistryAwayForAnHour(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		cli, reg := w.registry("a")
		_, other := w.registry("b")
		w.register(other, instance("one"))
		two := w.register(other, instance("two"))
		svc := w.open(reg)
		changes := svc.Changes(t.Context())
		<-changes
		began := time.Now()
		heal := w.Silence("a")
		w.WaitState(cli, framework.Suspended)
		since := svc.StaleSince()
		require.NotZero(t, since)
		assert.LessOrEqual(t, since.Sub(began), timeout)
		require.NoError(t, two.Close(t.Context()))
		for range 60 {
			time.Sleep(time.Minute)
			assert.Equal(t, map[string]int{"one": 5, "two": 5}, picked(t, svc, 10))
			assert.Equal(t, since, svc.StaleSince())
		}
		require.ErrorIs(t, svc.WaitFresh(within(t, time.Minute)), cache.ErrStale)
		heal()
		require.NoError(t, svc.WaitFresh(within(t, time.Hour)))
		assert.Zero(t, svc.StaleSince())
		assert.Equal(t, []string{"one"}, shown(svc))
		change := <-changes
		assert.Equal(t, []string{"two"}, keys(change.Removed), "the exact difference")
		assert.Empty(t, change.Updated)
	})
}

// A new session, in which the node of the old one is replaced, changes nothing for those who view it.
func TestNewSessionIsNotReportedAsAChange(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		cli, reg := w.registry("a")
		w.register(reg, instance("one"))
		_, reading := w.registry("b")
		svc := w.open(reading)
		changes := svc.Changes(t.Context())
		<-changes
		before, old := slices.Collect(svc.Instances()), w.owner(dir+"/one")
		over := w.Outage() // the session lives on the servers, and the client counts it as lost
		w.WaitState(cli, framework.Lost)
		over()
		time.Sleep(3 * timeout)
		require.NoError(t, svc.WaitFresh(t.Context()))
		require.NotEqual(t, old, w.owner(dir+"/one"))
		assert.Equal(t, before, slices.Collect(svc.Instances()))
		assert.Same(t, before[0], slices.Collect(svc.Instances())[0])
		select {
		case c := <-changes:
			assert.Fail(t, "nothing has changed", "%+v", c)
		default:
		}
	})
}

func TestChanges(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		_, reg := w.registry("a")
		svc := w.open(reg)
		ctx, cancel := context.WithCancel(t.Context())
		changes := svc.Changes(ctx)
		expect := func(all, added, updated, removed []string) discovery.Change[meta] {
			t.Helper()
			settle()
			c := <-changes
			assert.Equal(t, [][]string{all, added, updated, removed}, [][]string{keys(slices.Collect(c.Instances())), keys(c.Added), keys(c.Updated), keys(c.Removed)})
			return c
		}
		assert.True(t, expect(nil, nil, nil, nil).Missing)
		one := w.register(reg, instance("one"))
		for c := range changes { // the directory comes first
			assert.False(t, c.Missing)
			if len(c.Added) == 1 {
				break
			}
		}
		two := w.register(reg, instance("two"))
		expect([]string{"one", "two"}, []string{"two"}, nil, nil)
		in := instance("one")
		in.Disabled = true
		require.NoError(t, one.Update(t.Context(), in))
		c := expect([]string{"one", "two"}, nil, []string{"one"}, nil)
		assert.True(t, c.Updated[0].Disabled)
		// A slow reader gets the difference to what it had.
		require.NoError(t, two.Close(t.Context()))
		w.register(reg, instance("three"))
		four := w.register(reg, instance("four"))
		require.NoError(t, four.Close(t.Context()))
		require.NoError(t, one.Update(t.Context(), instance("one")))
		expect([]string{"one", "three"}, []string{"three"}, []string{"one"}, []string{"two"})
		w.Put(dir+"/broken", "{")
		assert.Len(t, expect([]string{"one", "three"}, nil, nil, nil).Skipped, 1)
		require.NoError(t, w.Set(dir+"/broken", nil))
		assert.ErrorContains(t, expect([]string{"one", "three"}, nil, nil, nil).Skipped[0].Err, "empty")
		settle()
		select {
		case c := <-changes:
			assert.Fail(t, "nothing has changed", "%+v", c)
		default:
		}
		require.NoError(t, one.Close(t.Context()))
		expect([]string{"three"}, nil, nil, []string{"one"})
		cancel()
		_, open := <-changes
		assert.False(t, open)
	})
}

func TestRegistryQueries(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		_, reg := w.registry("a")
		assert.Equal(t, base, reg.BasePath())
		list, err := reg.Names(t.Context())
		require.NoError(t, err)
		assert.Empty(t, list)
		instances, skipped, err := reg.Instances(t.Context(), "orders")
		require.NoError(t, err)
		assert.Empty(t, instances)
		assert.Empty(t, skipped)
		for _, name := range []string{"orders", "billing", "deep/down"} {
			in := instance("one")
			in.Name = name
			w.register(reg, in)
			got, err := reg.Instance(t.Context(), name, "one")
			require.NoError(t, err)
			assert.Equal(t, in, got)
			instances, _, err := reg.Instances(t.Context(), name)
			require.NoError(t, err)
			assert.Equal(t, []discovery.Instance[meta]{in}, instances)
		}
		list, err = reg.Names(t.Context())
		require.NoError(t, err)
		assert.Equal(t, []string{"billing", "deep", "orders"}, list)
		_, err = reg.Instance(t.Context(), "orders", "two")
		require.ErrorIs(t, err, framework.ErrNoNode)
		_, err = reg.Instance(t.Context(), "orders", "a/b")
		require.ErrorIs(t, err, framework.ErrInvalidPath)
		_, _, err = reg.Instances(t.Context(), "")
		require.ErrorIs(t, err, framework.ErrInvalidPath)
		w.Put(dir+"/broken", "{")
		_, err = reg.Instance(t.Context(), "orders", "broken")
		require.ErrorIs(t, err, discovery.ErrUnreadable)
		require.ErrorContains(t, err, dir+"/broken")
	})
}

// A view is not fresh before it shows what the registry has said.
func TestStaleUntilItIsShown(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		_, other := w.registry("b")
		r := w.register(other, instance("one"))
		slow := gated{discovery.JSON[meta](), make(chan struct{})}
		_, reg := w.registry("a", discovery.WithCodec[meta](slow))
		svc := w.open(reg)
		heal := w.Silence("a")
		time.Sleep(2 * timeout)
		since := svc.StaleSince()
		require.NotZero(t, since)
		in := instance("one")
		in.Port = 9090
		require.NoError(t, r.Update(t.Context(), in))
		heal()
		time.Sleep(9 * time.Second)
		assert.Equal(t, since, svc.StaleSince(), "it is read, and not yet shown")
		close(slow.gate)
		require.NoError(t, svc.WaitFresh(t.Context()))
		assert.Zero(t, svc.StaleSince())
		assert.Equal(t, 9090, slices.Collect(svc.Instances())[0].Port)
	})
}

// gated is a format that takes its time for port 9090.
type gated struct {
	discovery.Codec[meta]
	gate chan struct{}
}

func (g gated) Decode(data []byte) (discovery.Instance[meta], error) {
	in, err := g.Codec.Decode(data)
	if in.Port == 9090 {
		<-g.gate
	}
	return in, err
}

// A user's own format goes both ways, and its errors are shown as they are.
func TestOwnCodec(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		_, reg := w.registry("a", discovery.WithCodec[meta](plain{}), discovery.AnyAddress[meta]())
		w.register(reg, instance("one"))
		data, _, err := w.Get(dir + "/one")
		require.NoError(t, err)
		assert.Equal(t, "one", string(data))
		w.Put(dir+"/two", "bad")
		svc := w.open(reg)
		assert.Equal(t, []string{"one"}, shown(svc))
		require.ErrorIs(t, svc.Skipped()[0].Err, errPlain)
	})
}

var errPlain = errors.New("it is bad")

// plain is a format in which an instance is its id.
type plain struct{}

func (plain) Encode(in discovery.Instance[meta]) ([]byte, error) { return []byte(in.ID), nil }

func (plain) Decode(data []byte) (discovery.Instance[meta], error) {
	if string(data) == "bad" {
		return discovery.Instance[meta]{}, errPlain
	}
	return discovery.Instance[meta]{ID: string(data)}, nil
}
