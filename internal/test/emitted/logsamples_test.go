package emitted

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/cache"
	"github.com/docent-zk/docent/discovery"
	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/leader"
	"github.com/docent-zk/docent/lock"
	"github.com/docent-zk/docent/zktest"
)

var updateSamples = flag.Bool("update", false, "write the logs that docs/logs.md shows")

const samplePage = "../../../docs/logs.md"

// samples are the events of docs/logs.md. Each begins with a client that leads, holds a lock, is registered and has a configuration, and another
// candidate.
var samples = []struct {
	name string
	play func(t *testing.T, s *zktest.Server, cli *framework.Client)
}{
	{"a minute without servers", func(t *testing.T, s *zktest.Server, cli *framework.Client) {
		s.Stop()
		time.Sleep(time.Minute)
		require.NoError(t, s.StartEndpoint())
	}},
	{"a lost session", func(_ *testing.T, s *zktest.Server, cli *framework.Client) {
		s.ExpireSession(cli.State().SessionID)
	}},
	{"a short disconnection", func(_ *testing.T, s *zktest.Server, _ *framework.Client) {
		s.Cut(zktest.AllConns())
	}},
	{"a rejected configuration", func(t *testing.T, s *zktest.Server, _ *framework.Client) {
		require.NoError(t, s.Set("/config", []byte(`{"limit": "many"}`)))
		time.Sleep(time.Minute)
		require.NoError(t, s.Set("/config", []byte(`{"limit": 20}`)))
	}},
	{"a change of leader", func(_ *testing.T, s *zktest.Server, cli *framework.Client) {
		for path, n := range s.Dump() {
			if strings.HasPrefix(path, "/leader/") && n.Stat.EphemeralOwner == cli.State().SessionID {
				_ = s.Delete(path)
			}
		}
	}},
}

// writtenLog is what a client writes at Info, without what differs from run to run.
type writtenLog struct {
	mu    sync.Mutex
	begun time.Time
	lines []string
}

func (w *writtenLog) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelInfo }
func (w *writtenLog) WithAttrs([]slog.Attr) slog.Handler           { return w }
func (w *writtenLog) WithGroup(string) slog.Handler                { return w }

var volatile = []struct {
	of *regexp.Regexp
	by string
}{
	{regexp.MustCompile(`0x[0-9a-f]{6,}`), "0x19d…"},
	{regexp.MustCompile(`tcp [0-9.:]+->`), "tcp "},
	{regexp.MustCompile(`_c_[0-9a-f-]{36}-`), "_c_…-"},
	{regexp.MustCompile(`\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)? [+-]\d{4} \S+`), "…"},
	{regexp.MustCompile(`(\d+)\.\d+s`), "${1}s"},
	{regexp.MustCompile(`zk[123]:2181 at [0-9.]+:2181`), "zk… at 10.0.0.…:2181"},
	{regexp.MustCompile(`zk[123]:2181`), "zk…:2181"},
	{regexp.MustCompile(`192\.0\.2\.\d`), "10.0.0.…"},
	{regexp.MustCompile(`token=\d+`), "token=…"},
}

func (w *writtenLog) Handle(_ context.Context, r slog.Record) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.begun.IsZero() {
		return nil
	}
	after := r.Time.Sub(w.begun)
	line := fmt.Sprintf("%02d:%02d %-5s %s", int(after.Minutes()), int(after.Seconds())%60, r.Level, r.Message)
	r.Attrs(func(a slog.Attr) bool {
		value := a.Value.String()
		if strings.ContainsAny(value, " =\"") {
			value = fmt.Sprintf("%q", value)
		}
		line += " " + a.Key + "=" + value
		return true
	})
	for _, v := range volatile {
		line = v.of.ReplaceAllString(line, v.by)
	}
	w.lines = append(w.lines, line)
	return nil
}

// text is what was written since begin, each line once: three servers give three reasons that differ in nothing that is shown.
func (w *writtenLog) text() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var lines []string
	seen := make(map[string]bool)
	for _, line := range w.lines {
		if !seen[line] {
			seen[line] = true
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "\n")
}

func (w *writtenLog) begin() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.begun = time.Now()
}

// played returns the log of one sample.
func played(t *testing.T, play func(t *testing.T, s *zktest.Server, cli *framework.Client)) (text string) {
	bubble(t, func(t *testing.T) {
		s, err := zktest.StartMemory(zktest.Config{Endpoints: 3})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, s.Close()) })
		w := &writtenLog{}
		cli := sampleClient(t, s, slog.New(w), 1)
		inUse(t, s, cli)
		other := sampleClient(t, s, nil, 2)
		lead := leading(t, other)
		time.Sleep(time.Second)
		w.begin()
		play(t, s, cli)
		time.Sleep(time.Minute)
		text = w.text()
		lead()
	})
	return text
}

func sampleClient(t *testing.T, s *zktest.Server, log *slog.Logger, seed byte) *framework.Client {
	t.Helper()
	addrs := map[string]string{"zk1": "192.0.2.1", "zk2": "192.0.2.2", "zk3": "192.0.2.3"}
	cli, err := framework.New(framework.Config{
		ConnectString: "zk1,zk2,zk3", SessionTimeout: 15 * time.Second, Logger: log, Dialer: s.Client("a").Dial,
		LookupHost: func(_ context.Context, host string) ([]string, error) { return []string{addrs[host]}, nil },
		Random:     rand.NewChaCha8([32]byte{seed}),
	})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, cli.Close()) })
	require.NoError(t, cli.WaitConnected(t.Context()))
	return cli
}

// leading runs for leader until the result is called.
func leading(t *testing.T, cli *framework.Client) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = leader.New(cli, "/leader").Run(ctx, func(ctx context.Context, _ *leader.Term) error {
			<-ctx.Done()
			return nil
		})
	}()
	time.Sleep(time.Second)
	return func() {
		cancel()
		<-done
	}
}

// inUse has a client do what services do.
func inUse(t *testing.T, s *zktest.Server, cli *framework.Client) {
	t.Helper()
	_, err := s.Create("/config", []byte(`{"limit": 10}`), zktest.Persistent)
	require.NoError(t, err)
	t.Cleanup(leading(t, cli))
	_, err = lock.New(cli, "/locks/orders").Lock(t.Context())
	require.NoError(t, err)
	_, err = discovery.New[string](cli, "/services").Register(t.Context(), discovery.Instance[string]{Name: "orders", ID: "a", Address: "10.0.1.1", Port: 80})
	require.NoError(t, err)
	_, err = cache.OpenValue(t.Context(), cli, "/config", cache.JSON[struct{ Limit int }]())
	require.NoError(t, err)
}

// The page shows what is written. With -update it is written anew.
func TestLogSamples(t *testing.T) {
	page, err := os.ReadFile(samplePage)
	require.NoError(t, err)
	text := string(page)
	for _, sample := range samples {
		head, rest, found := strings.Cut(text, "<!-- "+sample.name+" -->\n```\n")
		require.True(t, found, "%s is not in %s", sample.name, samplePage)
		shown, tail, _ := strings.Cut(rest, "\n```\n")
		got := played(t, sample.play)
		if *updateSamples {
			text = head + "<!-- " + sample.name + " -->\n```\n" + got + "\n```\n" + tail
			continue
		}
		assert.ElementsMatch(t, strings.Split(shown, "\n"), strings.Split(got, "\n"), "%s; lines of one moment come in any order", sample.name)
	}
	if *updateSamples {
		require.NoError(t, os.WriteFile(samplePage, []byte(text), 0o644))
	}
}
