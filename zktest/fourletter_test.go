package zktest_test

import (
	"fmt"
	"io"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/internal/jute"
	"github.com/docent-zk/docent/zktest"
)

// word sends a four-letter word and returns the whole answer.
func (w *world) word(word string) string {
	w.Helper()
	conn, err := w.srv.DialTimeout("tcp", w.srv.Addrs()[0], 10*time.Second)
	require.NoError(w, err)
	defer conn.Close()
	require.NoError(w, conn.SetDeadline(time.Now().Add(10*time.Second)))
	_, err = conn.Write([]byte(word))
	require.NoError(w, err)
	answer, err := io.ReadAll(conn)
	require.NoError(w, err)
	return string(answer)
}

func TestFourLetterWordsOfGoZookeeper(t *testing.T) {
	onTCP(t, zktest.Config{Endpoints: 2}, func(w *world) {
		a := w.join("a")
		addrs := w.srv.Addrs()
		require.Equal(w, []bool{true, true}, zk.FLWRuok(addrs, 5*time.Second))
		stats, ok := zk.FLWSrvr(addrs, 5*time.Second)
		require.True(w, ok)
		require.Equal(w, zk.ModeStandalone, stats[0].Mode)
		require.EqualValues(w, 1, stats[0].Counter)
		require.EqualValues(w, 5, stats[0].NodeCount)
		require.EqualValues(w, 2, stats[0].Connections)
		conns, _ := zk.FLWCons(addrs[:1], 5*time.Second) // not ok: it cannot parse its own connection, here as elsewhere
		require.Len(w, conns[0].Clients, 1)
		require.Equal(w, a.id, conns[0].Clients[0].SessionID)
		require.EqualValues(w, 30000, conns[0].Clients[0].Timeout)
		w.srv.Refuse(1)
		require.Equal(w, []bool{true, false}, zk.FLWRuok(addrs, 5*time.Second))
	})
}

func TestFourLetterWords(t *testing.T) {
	onBoth(t, zktest.Config{}, func(w *world) {
		a := w.join("a")
		require.Zero(w, w.ask(a, zktest.OpCreate, creating("/e", "12345", 1)))
		require.Zero(w, w.ask(a, zktest.OpGetData, &jute.PathWatchRequest{Path: "/e", Watch: true}))
		require.Zero(w, w.ask(a, zktest.OpAddWatch, &jute.PathInt32Request{Path: "/r", Value: 1}))
		sid := fmt.Sprintf("%#x", a.id)
		addr := a.conn.LocalAddr().String()
		for word, want := range map[string]string{
			"ruok": `^imok$`,
			"isro": `^rw$`,
			"srvr": `(?s)^Zookeeper version: 3\.8\.0-embedded, built on 02/25/2022 08:49 UTC\nLatency min/avg/max: 0/0\.0/0\nReceived: 4\nSent: 4\n` +
				`Connections: 2\nOutstanding: 0\nZxid: 0x2\nMode: standalone\nNode count: 6\n$`,
			"stat": `(?s)Clients:\n /` + addr + `\[1\]\(queued=0,recved=4,sent=4\)\n /\S+\[0\]\(queued=0,recved=0,sent=0\)\n\nLatency.*Node count: 6\n$`,
			"cons": ` /` + addr + `\[1\]\(queued=0,recved=4,sent=4,sid=` + sid + `,lop=ADDW,est=\d+,to=30000,lcxid=0x[0-9a-f]+,lzxid=0x2,lresp=\d+,`,
			"mntr": `(?s)^zk_version\t3.*zk_server_state\tstandalone\n.*zk_ephemerals_count\t1\nzk_num_alive_connections\t2\n.*` +
				`zk_znode_count\t6\nzk_watch_count\t3\nzk_approximate_data_size\t51\n`,
			"conf": `(?s)^clientPort=\d+\n.*tickTime=100\n.*minSessionTimeout=200\nmaxSessionTimeout=3600000\n`,
			"envi": `(?m)^zookeeper\.version=3\.8\.0`,
			"dump": `(?s)Session Sets \(1\)/\(1\):\n1 expire at .* UTC \d+:\n\t` + sid + `\nephem.*Sessions with Ephemerals \(1\):\n` + sid + `:\n\t/e\n.*\tip: /` + addr + ` sessionId: ` + sid + `\n`,
			"wchs": `^1 connections watching 2 paths\nTotal watches:2\n$`,
			"wchc": `^` + sid + `\n\t/e\n\t/r\n$`,
			"wchp": `^/e\n\t` + sid + `\n/r\n\t` + sid + `\n$`,
			"dirs": `^datadir_size: 0\n`,
		} {
			require.Regexp(w, regexp.MustCompile(want), w.fresh(a, word), word)
		}
	})
}

// fresh returns the answer to a word when the client has sent and got exactly four packets since the counters were reset.
func (w *world) fresh(r *raw, word string) string {
	w.Helper()
	require.Equal(w, "Server stats reset.\n", w.word("srst"))
	require.Equal(w, "Connection stats reset.\n", w.word("crst"))
	for range 3 {
		w.works(r)
	}
	require.Zero(w, w.ask(r, zktest.OpAddWatch, &jute.PathInt32Request{Path: "/r", Value: 1}))
	return w.word(word)
}

func TestFourLetterWordsKnowNoOthers(t *testing.T) {
	inBubble(t, zktest.Config{}, func(w *world) {
		for _, word := range []string{"nope", "RUOK", "\x00\x00\x00\xff"} {
			conn, err := w.srv.DialTimeout("tcp", w.srv.Addrs()[0], time.Second)
			require.NoError(w, err)
			_, err = conn.Write([]byte(word))
			require.NoError(w, err)
			_ = conn.SetReadDeadline(time.Now().Add(time.Second))
			n, err := conn.Read(make([]byte, 10))
			require.Zero(w, n)
			require.Error(w, err)
			require.NoError(w, conn.Close())
		}
	})
}

func TestFourLetterWordsArriveInPieces(t *testing.T) {
	inBubble(t, zktest.Config{}, func(w *world) {
		conn, err := w.srv.DialTimeout("tcp", w.srv.Addrs()[0], time.Second)
		require.NoError(w, err)
		for _, c := range "ruok" {
			_, err = conn.Write([]byte(string(c)))
			require.NoError(w, err)
		}
		answer, err := io.ReadAll(conn)
		require.NoError(w, err)
		require.Equal(w, "imok", string(answer))
		require.NoError(w, conn.Close())
	})
}

func TestFourLetterWordIsAFrameAfterTheHandshake(t *testing.T) {
	inBubble(t, zktest.Config{}, func(w *world) {
		a := w.join("a")
		a.send([]byte("ruok")) // a length of 1920298859
		said, err := io.ReadAll(a.conn)
		require.NoError(w, err)
		require.Empty(w, said)
		require.True(w, strings.HasPrefix(w.word("srvr"), "Zookeeper version"))
	})
}
