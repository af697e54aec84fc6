package main

import (
	"bytes"
	"cmp"
	"context"
	"flag"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/examples/internal/stage"
	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/lock"
	"github.com/docent-zk/docent/zktest"
)

var update = flag.Bool("update", false, "write the pictures of the page into docs")

// scene is three clients on one server: anna holds a lock and leads, ben and cora wait for her.
type scene struct {
	troupe
	server *zktest.Server
	held   *lock.Held
}

func newScene(t *testing.T) *scene {
	t.Helper()
	server, err := zktest.Start(zktest.Config{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Close()) })
	all, err := newTroupe(t.Context(), config{zk: server.ConnectString(), timeout: 4 * time.Second})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	var wait []func()
	t.Cleanup(func() {
		cancel()
		for _, a := range all {
			a.cable.Plug()
		}
		for _, w := range wait {
			w()
		}
		require.NoError(t, all.close())
	})
	s := &scene{troupe: all[:3], server: server}
	require.NoError(t, all[3].cli.Close())
	act := func(f func(context.Context) error) {
		done := make(chan struct{})
		wait = append(wait, func() { <-done })
		go func() {
			defer close(done)
			_ = f(ctx) // it ends with the test
		}()
	}
	s.held, err = lock.New(s.troupe[0].cli, "/locks/orders", lock.WithData([]byte("anna"))).Lock(ctx)
	require.NoError(t, err)
	for i, a := range s.troupe {
		act(a.lead)
		s.await(t, 3*i, "leader")
		act(a.serve)
		if i > 0 {
			act(func(ctx context.Context) error {
				held, err := lock.New(a.cli, "/locks/orders", lock.WithData([]byte(a.name))).Lock(ctx)
				if err == nil {
					<-ctx.Done()
					_ = held.Unlock(context.WithoutCancel(ctx))
				}
				return err
			})
			s.await(t, i, "lock")
		}
	}
	act(s.troupe[1].mirror)
	return s
}

// await waits until a client's recipe of that name stands in its queue, or holds.
func (s *scene) await(t *testing.T, i int, name string) {
	t.Helper()
	cli := s.troupe[i%3].cli
	until(t, func() bool {
		return slices.ContainsFunc(cli.Recipes(), func(r framework.LiveRecipe) bool {
			return r.Name == name && (r.Status.State == "waiting" || r.Status.State == "leading")
		})
	})
}

// until waits for a condition, looking whenever a server may have answered.
func until(t *testing.T, holds func() bool) {
	t.Helper()
	require.Eventually(t, holds, time.Minute, time.Millisecond)
}

// With scripts the page follows what happens; without, it shows what there was.
func TestPageInABrowser(t *testing.T) {
	b := requireBrowser(t)
	s := newScene(t)
	ben := s.troupe[1].cli
	before := fmt.Sprintf("%#x", ben.State().SessionID)
	page := handler(s.names(), s.clients())
	var loads atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/debug/docent" && loads.Add(1) == 3 { // a browser has loaded it, and asks once more
			s.server.ExpireSession(ben.State().SessionID)
			for ch := range ben.States(r.Context()) {
				if ch.State == framework.Connected && ch.Epoch == 2 {
					break
				}
			}
		}
		page.ServeHTTP(w, r)
	}))
	defer server.Close()

	still := load(t, server.URL+"/debug/docent")
	assert.Contains(t, still, before)
	assert.Contains(t, still, "Reload the page")
	assert.EqualValues(t, 1, loads.Load())

	live := b.dom(t, server.URL+"/debug/docent", "--virtual-time-budget=6000")
	assert.Greater(t, loads.Load(), int32(3))
	assert.Contains(t, live, `<span class="live on">live</span>`)
	after := fmt.Sprintf("%#x", ben.State().SessionID)
	assert.NotEqual(t, before, after)
	assert.Contains(t, live, ">"+after+"<")
	assert.Contains(t, live, `<span class="pill bad">Lost</span>`, "in the history")
	assert.NotContains(t, still, `<span class="pill bad">Lost</span>`)
	assert.Equal(t, 1, strings.Count(live, `id="content"`))
}

// Pictures of a contended lock and a session that is lost.
func TestScreenshots(t *testing.T) {
	b := requireBrowser(t)
	s := newScene(t)
	server := httptest.NewServer(handler(s.names(), s.clients()))
	defer server.Close()
	anna := s.troupe[0]
	anna.cable.Blip()
	reach(t, anna.cli, framework.Reconnected)
	s.server.ExpireSession(s.troupe[2].cli.State().SessionID)
	reach(t, s.troupe[2].cli, framework.Lost)
	reach(t, s.troupe[2].cli, framework.Connected)
	s.await(t, 2, "lock")
	anna.cable.Unplug()
	reach(t, anna.cli, framework.Lost)
	until(t, func() bool { return !anna.cli.Health().Ready() && len(anna.cli.Health().Reasons) > 2 })
	address := server.URL + "/debug/docent?" + url.Values{"client": {"2"}, "queue": {"/docent-debugpage/locks/orders"}}.Encode()
	_ = load(t, server.URL+"/debug/docent")

	var brightness []float64
	for name, dark := range map[string]bool{"light": false, "dark": true} {
		img, err := png.Decode(bytes.NewReader(b.screenshot(t, address, dark, "1200,1220")))
		require.NoError(t, err)
		level := mean(img)
		assert.Equal(t, dark, level < 0.5, "%s: brightness %v", name, level)
		brightness = append(brightness, level)
		small := indexed(img)
		assert.Less(t, len(small), 150_000)
		if *update {
			require.NoError(t, os.WriteFile(filepath.Join("..", "..", "docs", "debugpage-"+name+".png"), small, 0o644))
		}
	}
	assert.Len(t, brightness, 2)
	anna.cable.Plug()
	_ = s.held.Unlock(t.Context()) // it was lost
}

// load is the page without its script running. It lets queues be asked for.
func load(t *testing.T, url string) string {
	t.Helper()
	answer, err := http.Get(url)
	require.NoError(t, err)
	body, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	return string(body)
}

// reach waits until a client has been in a state.
func reach(t *testing.T, cli *framework.Client, want framework.State) {
	t.Helper()
	_, err := stage.Await(t.Context(), cli.States(t.Context()), func(c framework.StateChange) bool { return c.State == want })
	require.NoError(t, err)
}

// mean is the brightness of a picture, 0 to 1.
func mean(img image.Image) float64 {
	var sum, n float64
	for y := img.Bounds().Min.Y; y < img.Bounds().Max.Y; y += 3 {
		for x := img.Bounds().Min.X; x < img.Bounds().Max.X; x += 3 {
			sum += float64(color.GrayModel.Convert(img.At(x, y)).(color.Gray).Y) / 255
			n++
		}
	}
	return sum / n
}

// indexed is the picture as a small PNG, in the 256 colours that it has most of, one of those that look alike.
func indexed(img image.Image) []byte {
	counts := make(map[color.RGBA]int)
	b := img.Bounds()
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			counts[color.RGBAModel.Convert(img.At(x, y)).(color.RGBA)]++
		}
	}
	most := make(map[[3]uint8]color.RGBA) // of those that look alike
	for c, n := range counts {
		alike := [3]uint8{c.R >> 4, c.G >> 4, c.B >> 4}
		if n > counts[most[alike]] {
			most[alike] = c
		}
	}
	colours := slices.Collect(maps.Values(most))
	slices.SortFunc(colours, func(x, y color.RGBA) int { return cmp.Compare(counts[y], counts[x]) })
	palette := color.Palette{}
	for _, c := range colours[:min(256, len(colours))] {
		palette = append(palette, c)
	}
	small, nearest := image.NewPaletted(b, palette), make(map[color.RGBA]uint8)
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			c := color.RGBAModel.Convert(img.At(x, y)).(color.RGBA)
			i, known := nearest[c]
			if !known {
				i = uint8(palette.Index(c))
				nearest[c] = i
			}
			small.SetColorIndex(x, y, i)
		}
	}
	var out bytes.Buffer
	_ = (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&out, small) // to memory
	return out.Bytes()
}
