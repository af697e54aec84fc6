package discovery_test

import (
	"bytes"
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

	"github.com/docent-zk/docent/discovery"
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

// count is how many lines contain a text.
func (j *journal) count(text string) int {
	synctest.Wait()
	j.mu.Lock()
	defer j.mu.Unlock()
	n := 0
	for line := range strings.Lines(j.buf.String()) {
		if strings.Contains(line, text) {
			n++
		}
	}
	return n
}

// logged is a registry whose client logs.
func (w *world) logged(opts ...discovery.Option[meta]) (*journal, *discovery.Registry[meta]) {
	w.t.Helper()
	var log journal
	cli, err := framework.New(framework.Config{
		ConnectString: w.ConnectString(), SessionTimeout: timeout, Dialer: w.Client("logged").Dial,
		Logger: slog.New(slog.NewTextHandler(&log, nil)),
	})
	require.NoError(w.t, err)
	w.t.Cleanup(func() { require.NoError(w.t, cli.Close()) })
	return &log, discovery.New(cli, base, opts...)
}

// mines is a codec that panics, or does not return, for some payloads.
type mines struct {
	discovery.Codec[meta]
	hold chan struct{}
	held *atomic.Int32 // calls that were held
}

func newMines() mines { return mines{discovery.JSON[meta](), make(chan struct{}), &atomic.Int32{}} }

type nilError struct{ text string }

func (e *nilError) Error() string { return e.text }

// Decode does what the zone says.
func (m mines) Decode(data []byte) (discovery.Instance[meta], error) {
	in, err := m.Codec.Decode(data)
	switch in.Payload.Zone {
	case "panic":
		panic("boom")
	case "error":
		var none *nilError
		return in, none
	case "hold":
		m.held.Add(1)
		<-m.hold
	}
	return in, err
}

// Encode panics for a payload.
func (m mines) Encode(in discovery.Instance[meta]) ([]byte, error) {
	if in.Payload.Zone == "encode" || in.Payload.Zone == "drain" && in.Disabled {
		panic("boom")
	}
	return m.Codec.Encode(in)
}

// in is an instance in that zone.
func zoned(id, zone string) discovery.Instance[meta] {
	in := instance(id)
	in.Payload.Zone = zone
	return in
}

// skips are the nodes that are skipped for an error, without the directory.
func skips(skipped []discovery.Skipped, why error) []string {
	var names []string
	for _, s := range skipped {
		if errors.Is(s.Err, why) {
			names = append(names, strings.TrimPrefix(s.Path, dir+"/"))
		}
	}
	return names
}

// One node for which the codec panics is skipped by everybody who reads it, and named.
func TestACodecThatPanicsSkipsItsNode(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		_, plain := w.registry("a")
		log, reg := w.logged(discovery.WithCodec[meta](newMines()))
		w.register(plain, instance("good"))
		changing := w.register(plain, instance("changing"))
		svc := w.open(reg)
		w.register(plain, zoned("bad", "panic"))
		w.register(plain, zoned("worse", "error"))
		require.NoError(t, changing.Update(t.Context(), zoned("changing", "panic")))
		settle()
		assert.Equal(t, []string{"good"}, shown(svc))
		assert.Equal(t, []string{"bad", "changing", "worse"}, skips(svc.Skipped(), framework.ErrPanicked))
		assert.ErrorContains(t, svc.Skipped()[0].Err, "the codec for /services/orders/bad: boom")
		assert.Equal(t, 1, log.count("function=codec path=/services/orders/bad panic=boom"))
		assert.Equal(t, map[string]int{"good": 10}, picked(t, svc, 10))
		instances, skipped, err := reg.Instances(t.Context(), "orders")
		require.NoError(t, err)
		assert.Len(t, instances, 1)
		assert.Equal(t, []string{"bad", "changing", "worse"}, skips(skipped, framework.ErrPanicked))
		_, err = reg.Instance(t.Context(), "orders", "bad")
		require.ErrorIs(t, err, framework.ErrPanicked)
		require.NoError(t, changing.Update(t.Context(), instance("changing")))
		settle()
		assert.Equal(t, []string{"changing", "good"}, shown(svc), "it is repaired")
	})
}

// A codec that does not return for one node takes none of the others away, nor the process its end.
func TestACodecThatDoesNotReturnSkipsItsNode(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		_, plain := w.registry("a")
		codec := newMines()
		_, reg := w.logged(discovery.WithCodec[meta](codec))
		w.register(plain, instance("good"))
		svc := w.open(reg)
		held := w.register(plain, zoned("held", "hold"))
		other := w.register(plain, instance("other"))
		time.Sleep(10 * time.Second)
		settle()
		assert.Equal(t, []string{"good", "other"}, shown(svc))
		assert.Equal(t, []string{"held"}, skips(svc.Skipped(), framework.ErrBlocked))
		require.NoError(t, other.Close(t.Context()))
		settle()
		assert.Equal(t, []string{"good"}, shown(svc), "at once")
		began := time.Now()
		instances, skipped, err := reg.Instances(t.Context(), "orders")
		require.NoError(t, err)
		assert.Equal(t, 10*time.Second, time.Since(began).Round(time.Second))
		assert.Len(t, instances, 1)
		assert.Equal(t, []string{"held"}, skips(skipped, framework.ErrBlocked))
		began = time.Now()
		_, _, err = reg.Instances(within(t, time.Second), "orders")
		require.ErrorIs(t, err, framework.ErrBlocked)
		_, err = reg.Instance(within(t, time.Second), "orders", "held")
		require.ErrorIs(t, err, framework.ErrBlocked)
		late, err := reg.Open(within(t, time.Second), "orders")
		require.NoError(t, err)
		assert.Equal(t, []string{"good"}, shown(late))
		require.NoError(t, late.Close())
		assert.Equal(t, 3*time.Second, time.Since(began).Round(time.Second), "each returned with its context")
		require.NoError(t, held.Update(t.Context(), zoned("held", "well")))
		settle()
		assert.Equal(t, []string{"good", "held"}, shown(svc), "another state is read without the one that hangs")
		require.NoError(t, held.Update(t.Context(), zoned("held", "hold")))
		time.Sleep(11 * time.Second)
		assert.Equal(t, []string{"good"}, shown(svc))
		close(codec.hold)
		settle()
		assert.Equal(t, []string{"good", "held"}, shown(svc), "late, but it is what the node holds")
		assert.Equal(t, []string{"good", "held"}, names(picked(t, svc, 10)))
	})
}

// Calls that do not return are not piled up, and nobody waits for them in the end.
func TestCodecsThatNeverReturnAreFew(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		_, plain := w.registry("a")
		codec := newMines()
		_, reg := w.logged(discovery.WithCodec[meta](codec))
		for i := range 40 {
			w.register(plain, zoned(fmt.Sprintf("held-%02d", i), "hold"))
		}
		svc := w.open(reg)
		for i := range 60 {
			w.register(plain, zoned(fmt.Sprintf("more-%02d", i), "hold"))
			time.Sleep(11 * time.Second)
		}
		assert.Len(t, skips(svc.Skipped(), framework.ErrBlocked), 100)
		assert.EqualValues(t, 64, codec.held.Load())
		began := time.Now()
		require.NoError(t, svc.Close())
		assert.Less(t, time.Since(began), time.Second)
		close(codec.hold)
		synctest.Wait()
	})
}

// A weight or a zone that cannot be had is the default: the instance is still one.
func TestWeightsAndZonesThatPanic(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		_, plain := w.registry("a")
		log, reg := w.logged(
			discovery.WithWeight(func(in *discovery.Instance[meta]) float64 { return []float64{5}[len(in.Payload.Zone)] }),
			discovery.WithZone(func(in *discovery.Instance[meta]) string { return "z" + string([]byte("a")[len(in.Payload.Zone)]) }))
		w.register(plain, zoned("bad", "x"))
		w.register(plain, zoned("good", ""))
		svc := w.open(reg)
		var all []string
		for e := range svc.Instances() {
			all = append(all, fmt.Sprint(e.Key(), " ", e.Weight(), " ", e.Zone()))
		}
		assert.Equal(t, []string{"bad 1 ", "good 5 za"}, all)
		assert.Equal(t, 1, log.count("function=weight path=/services/orders/bad"))
		assert.Equal(t, 1, log.count("function=zone path=/services/orders/bad"))
	})
}

// A Strategy that cannot be used is replaced by taking turns, until the instances change.
func TestStrategiesThatPanic(t *testing.T) {
	for name, strategy := range map[string]discovery.Strategy{
		"at once": func(discovery.Candidates) func() int { panic("boom") },
		"later":   func(discovery.Candidates) func() int { return func() int { panic("boom") } },
		"beyond":  func(a discovery.Candidates) func() int { return a.Len },
		"before":  func(discovery.Candidates) func() int { return func() int { return -1 } },
		"none":    func(discovery.Candidates) func() int { return nil },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				_, plain := w.registry("a")
				log, reg := w.logged()
				w.register(plain, instance("a"))
				w.register(plain, instance("b"))
				svc := w.open(reg, discovery.WithStrategy(strategy))
				assert.Equal(t, map[string]int{"a": 50, "b": 50}, picked(t, svc, 100))
				w.register(plain, instance("c"))
				assert.Equal(t, []string{"a", "b", "c"}, names(picked(t, svc, 30)))
				assert.LessOrEqual(t, log.count("function=strategy path=/services/orders"), 2, "once for each change")
				if name != "none" {
					assert.Positive(t, log.count("function=strategy path=/services/orders"))
				}
			})
		})
	}
}

// A Strategy that does not return is waited for, and replaced meanwhile.
func TestAStrategyThatDoesNotReturn(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		_, plain := w.registry("a")
		_, reg := w.logged()
		w.register(plain, instance("a"))
		w.register(plain, instance("b"))
		hold, calls := make(chan struct{}), 0
		svc := w.open(reg, discovery.WithStrategy(func(discovery.Candidates) func() int {
			calls++
			if calls == 2 {
				<-hold
			}
			return func() int { return 0 }
		}))
		assert.Equal(t, []string{"a"}, names(picked(t, svc, 10)))
		w.register(plain, instance("0"))
		time.Sleep(11 * time.Second)
		assert.Equal(t, []string{"0", "a", "b"}, names(picked(t, svc, 30)))
		w.register(plain, instance("1"))
		assert.Equal(t, []string{"0", "1", "a", "b"}, names(picked(t, svc, 40)), "at once")
		assert.Equal(t, 2, calls, "one after the other")
		close(hold)
		settle()
		assert.Equal(t, []string{"0"}, names(picked(t, svc, 10)))
	})
}

// A codec that panics while it writes fails the call, and nothing is left behind. A mark that cannot be written does not keep
// an instance from being drained.
func TestACodecThatPanicsWhileItWrites(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		_, reg := w.logged(discovery.WithCodec[meta](newMines()))
		_, err := reg.Register(t.Context(), zoned("x", "encode"))
		require.ErrorIs(t, err, framework.ErrPanicked)
		assert.Empty(t, w.List(dir))
		r := w.register(reg, zoned("x", "drain"))
		require.ErrorIs(t, r.Update(t.Context(), zoned("x", "encode")), framework.ErrPanicked)
		require.NoError(t, r.Update(t.Context(), zoned("x", "drain")), "it has the turn again")
		require.NoError(t, r.Drain(t.Context(), time.Second))
		assert.Empty(t, w.List(dir))
	})
}
