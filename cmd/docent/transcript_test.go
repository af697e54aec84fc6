//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/discovery"
	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/leader"
	"github.com/docent-zk/docent/lock"
	"github.com/docent-zk/docent/zktest"
)

var update = flag.Bool("update", false, "write the terminal sessions of docs/command.md")

// page has the terminal sessions: blocks of "console". The comment ahead of a block names the world in which it is played, and
// what happens there first: <!-- bubble: prepare... --> or <!-- live: prepare... -->.
const page = "../../docs/command.md"

var block = regexp.MustCompile("(?s)<!-- (bubble|live):([^>]*) -->\n```console\n(.*?)```\n")

// TestTranscripts plays the terminal sessions of the page, and compares. With -update it writes them.
func TestTranscripts(t *testing.T) {
	text, err := os.ReadFile(page)
	require.NoError(t, err)
	played := map[string]string{}
	play := func(kind string) func(w *world) {
		return func(w *world) {
			s := &stagehand{world: w}
			for _, m := range block.FindAllStringSubmatch(string(text), -1) {
				if m[1] == kind {
					played[m[0]] = strings.Replace(m[0], m[3], s.play(strings.Fields(m[2]), m[3]), 1)
				}
			}
		}
	}
	inBubble(t, 3, zktest.Config{}, play("bubble"))
	playLive(t, play("live"))
	require.Equal(t, strings.Count(string(text), "```console"), len(played), "each terminal session has a comment ahead of it, and none is there twice")
	got := string(text)
	for old, now := range played {
		got = strings.Replace(got, old, now, 1)
	}
	if *update {
		require.NoError(t, os.WriteFile(page, []byte(got), 0o644))
	}
	require.Equal(t, string(text), got, "go test -run Transcripts -update writes the page")
}

// playLive plays with a server on TCP and in real time, which commands that run others need. Timeouts are so long that none
// ends.
func playLive(t *testing.T, f func(w *world)) {
	server, err := zktest.Start(zktest.Config{Endpoints: 3})
	require.NoError(t, err)
	defer func() { require.NoError(t, server.Close()) }()
	w := &world{t: t, server: server}
	w.furnish((&net.Dialer{}).DialContext)
	w.env["DOCENT_TIMEOUT"], w.env["DOCENT_SESSION_TIMEOUT"] = "30m", "30m"
	defer w.closeClients()
	f(w)
}

// stagehand plays blocks.
type stagehand struct {
	*world
	code   int
	screen screenText // both outputs, as a terminal shows them
}

// play prepares, plays the commands of a block, and returns the block as it should be.
func (s *stagehand) play(prepare []string, text string) string {
	s.sys.stdout, s.sys.stderr = &s.screen, &s.screen
	s.sys.stdin, s.screen.written = strings.NewReader(""), nil
	for _, name := range prepare {
		require.Contains(s.t, preparations, name)
		preparations[name](s)
	}
	for line := range strings.SplitSeq(text, "\n") {
		if command, ok := strings.CutPrefix(line, "$ "); ok {
			fmt.Fprintln(&s.screen, line)
			s.command(command)
		}
	}
	return mask(s.screen.take())
}

func (s *stagehand) command(line string) {
	words := split(line)
	switch {
	case line == "echo $?":
		fmt.Fprintln(&s.screen, s.code)
	case words[0] == "export": // the page shows the names that the world resolves
	case words[0] == "docent":
		s.sys.random = rand.NewChaCha8([32]byte{1})
		s.code = s.sys.run(words[1:])
	default:
		require.FailNow(s.t, "a terminal session has a command that is not played", line)
	}
}

// split splits a line into words as a shell does, with quotes of both kinds.
func split(line string) []string {
	var words []string
	for _, m := range regexp.MustCompile(`'([^']*)'|"([^"]*)"|(\S+)`).FindAllStringSubmatch(line, -1) {
		words = append(words, m[1]+m[2]+m[3])
	}
	return words
}

var (
	guids     = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)
	ids       = regexp.MustCompile(`\b0x[0-9a-f]{3,}\b`)
	ports     = regexp.MustCompile(`:\d{4,5}->`)
	latencies = regexp.MustCompile(`\b\d+(\.\d+)?(µs|ms)\b`)
)

// mask replaces what differs from run to run, by something of the same length where columns depend on that.
func mask(text string) string {
	number := func(text string, what *regexp.Regexp, make func(old string, n int) string) string {
		seen := map[string]string{}
		return what.ReplaceAllStringFunc(text, func(old string) string {
			if seen[old] == "" {
				seen[old] = make(old, len(seen)+1)
			}
			return seen[old]
		})
	}
	text = number(text, guids, func(_ string, n int) string { return fmt.Sprintf("5e0d1c2b-0000-4000-8000-%012d", n) })
	text = number(text, ids, func(old string, n int) string { return fmt.Sprintf("0x1%0*d", len(old)-3, n) })
	text = ports.ReplaceAllString(text, ":40000->")
	return latencies.ReplaceAllString(text, "1ms")
}

// typed is what somebody types, which the terminal shows.
type typed struct {
	text   io.Reader
	screen io.Writer
}

func (t *typed) Read(data []byte) (int, error) {
	n, err := t.text.Read(data)
	_, _ = t.screen.Write(data[:n])
	return n, err
}

// preparations are what can happen ahead of, or during, a terminal session.
var preparations = map[string]func(s *stagehand){
	"yes": func(s *stagehand) {
		s.sys.asks, s.sys.stdin = true, &typed{strings.NewReader("y\n"), &s.screen}
	},
	"waiters": func(s *stagehand) {
		for _, host := range []string{"orders-1", "orders-2", "orders-3"} {
			cli := s.client(host)
			go func() {
				held, err := lock.New(cli, "/locks/orders", lock.WithData([]byte(host+":1"))).Lock(s.t.Context())
				if err == nil {
					<-held.Context().Done()
				}
			}()
			time.Sleep(40 * time.Second)
		}
	},
	"election": func(s *stagehand) {
		for _, host := range []string{"cron-1", "cron-2"} {
			cli := s.client(host)
			go func() {
				_ = leader.Run(context.Background(), cli, "/election/cron", func(ctx context.Context, _ *leader.Term) error {
					<-ctx.Done()
					return nil
				}, leader.WithID(host))
			}()
			time.Sleep(time.Second)
		}
	},
	"registrations": func(s *stagehand) {
		type meta struct {
			Zone string `json:"zone"`
		}
		r := discovery.New[meta](s.client("orders-1"), "/services")
		for i, zone := range []string{"a", "b", "b"} {
			_, err := r.Register(s.t.Context(), discovery.Instance[meta]{
				Name: "orders", ID: fmt.Sprintf("orders-%d", i+1), Address: fmt.Sprintf("10.0.%d.7", i), Port: 8080, Payload: meta{zone}, Disabled: i == 2,
			})
			require.NoError(s.t, err)
		}
		s.create("/services/orders/orders-4", "{")
	},
	"changes": func(s *stagehand) {
		other := s.client("other")
		go func() {
			time.Sleep(3 * time.Second)
			_, _ = other.Set(context.Background(), "/config/app", []byte(`{"workers": 16}`), framework.AnyVersion)
			time.Sleep(5 * time.Second)
			_, _ = other.Create(context.Background(), "/config/search", []byte(`{"shards": 4}`))
			time.Sleep(time.Second)
			_ = other.Delete(context.Background(), "/config/search", framework.AnyVersion)
		}()
	},
	"outage": func(s *stagehand) {
		s.server.Refuse(1)
		delete(s.hosts, "zk3")
	},
	"recovery": func(s *stagehand) {
		s.server.Accept(1)
		s.resolve()
	},
	"busy": func(s *stagehand) {
		_, err := lock.New(newPeer(s), "/locks/orders").Lock(s.t.Context())
		require.NoError(s.t, err)
	},
	"expiry": func(s *stagehand) {
		s.screen.written = func(all string) {
			if strings.HasSuffix(all, "working\n") {
				for _, session := range s.server.Sessions() {
					if len(session.Ephemerals) > 0 && strings.HasPrefix(session.Ephemerals[0], "/locks/nightly/") {
						s.server.ExpireSession(session.ID)
					}
				}
			}
		}
	},
}

// newPeer is another client in real time.
func newPeer(s *stagehand) *framework.Client {
	cli, err := framework.New(framework.Config{ConnectString: s.server.ConnectString(), SessionTimeout: 30 * time.Minute})
	require.NoError(s.t, err)
	s.clients["peer"] = cli
	return cli
}
