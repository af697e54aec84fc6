package zktest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// versionLine is in the form that every known client parses: go-zookeeper wants a date with slashes.
const (
	version     = "3.8.0-embedded"
	versionLine = version + ", built on 02/25/2022 08:49 UTC"
)

// words are the four-letter words and their answers.
var words = map[string]func(*Server, *conn) string{
	"ruok": func(*Server, *conn) string { return "imok" },
	"isro": func(s *Server, c *conn) string { return s.wordIsro(c) },
	"srvr": func(s *Server, c *conn) string { return s.wordSrvr(c) },
	"stat": func(s *Server, c *conn) string { return s.wordStat(c) },
	"cons": func(s *Server, _ *conn) string { return s.wordCons() },
	"mntr": func(s *Server, c *conn) string { return s.wordMntr(c) },
	"conf": func(s *Server, c *conn) string { return s.wordConf(c) },
	"envi": func(*Server, *conn) string {
		return "Environment:\nzookeeper.version=" + versionLine + "\nhost.name=localhost\n"
	},
	"dump": func(s *Server, _ *conn) string { return s.wordDump() },
	"wchs": func(s *Server, c *conn) string { return s.wordWchs(c) },
	"wchc": func(s *Server, _ *conn) string { return s.wordWchc() },
	"wchp": func(s *Server, _ *conn) string { return s.wordWchp() },
	"dirs": func(s *Server, _ *conn) string { return "datadir_size: 0\nlogdir_size: 0\n" },
	"crst": func(s *Server, _ *conn) string { return s.resetConnStats() },
	"srst": func(s *Server, _ *conn) string { return s.resetStats() },
}

// processWords are answered by a member that does not serve as well.
var processWords = []string{"ruok", "envi", "conf"}

// isFourLetterWord recognises what some clients send in place of a first frame.
func isFourLetterWord(word string) bool {
	return words[word] != nil
}

// answerWord answers a four-letter word and closes the connection.
func (s *Server) answerWord(c *conn, word string) {
	answer := "This ZooKeeper instance is not currently serving requests\n"
	if s.serving(c) || slices.Contains(processWords, word) {
		answer = words[word](s, c)
	}
	s.emit(c, &packet{kind: wordPacket, data: []byte(answer)})
	s.hangUp(c)
}

func (s *Server) wordIsro(c *conn) string {
	if s.readOnly(c) {
		return "ro"
	}
	return "rw"
}

func (s *Server) wordSrvr(c *conn) string {
	return fmt.Sprintf("Zookeeper version: %s\nLatency min/avg/max: 0/0.0/0\nReceived: %d\nSent: %d\nConnections: %d\n"+
		"Outstanding: %d\nZxid: %#x\nMode: %s\nNode count: %d\n",
		versionLine, s.received, s.sent, len(s.liveConns()), len(s.inbox), c.rep().zxid, s.modeWord(c), c.rep().tree.size())
}

func (s *Server) wordStat(c *conn) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Zookeeper version: %s\nClients:\n", versionLine)
	for _, c := range s.liveConns() {
		fmt.Fprintf(&b, " /%v[%d](queued=%d,recved=%d,sent=%d)\n", c.addr, min(c.sessionID, 1), len(c.out.held), c.received, c.sent)
	}
	_, rest, _ := strings.Cut(s.wordSrvr(c), "\n")
	return b.String() + "\n" + rest
}

func (s *Server) wordCons() string {
	var b strings.Builder
	for _, c := range s.liveConns() {
		fmt.Fprintf(&b, " /%v[%d](queued=%d,recved=%d,sent=%d", c.addr, min(c.sessionID, 1), len(c.out.held), c.received, c.sent)
		if c.session != nil {
			fmt.Fprintf(&b, ",sid=%#x,lop=%s,est=%d,to=%d,lcxid=%#x,lzxid=%#x,lresp=%d,llat=0,minlat=0,avglat=0,maxlat=0",
				c.sessionID, c.lastOp.short(), s.started.Add(c.opened).UnixMilli(), c.session.timeout.Milliseconds(),
				uint32(c.lastXid), c.lastZxid, time.Now().UnixMilli())
		}
		b.WriteString(")\n")
	}
	return b.String() + "\n"
}

func (s *Server) wordMntr(c *conn) string {
	data, _ := c.rep().watches.count(dataTable)
	child, _ := c.rep().watches.count(childTable)
	var b strings.Builder
	line := func(key string, value any) { fmt.Fprintf(&b, "zk_%s\t%v\n", key, value) }
	line("version", versionLine)
	line("server_state", s.modeWord(c))
	line("peer_state", "leading - broadcast")
	line("ephemerals_count", c.rep().tree.ephemerals)
	line("num_alive_connections", len(s.liveConns()))
	line("avg_latency", "0.0")
	line("min_latency", 0)
	line("max_latency", 0)
	line("outstanding_requests", len(s.inbox))
	line("znode_count", c.rep().tree.size())
	line("watch_count", data+child)
	line("approximate_data_size", c.rep().tree.dataSize)
	line("packets_received", s.received)
	line("packets_sent", s.sent)
	line("global_sessions", len(s.sessions))
	line("uptime", s.clock().Milliseconds())
	return b.String()
}

func (s *Server) wordConf(c *conn) string {
	_, port, _ := strings.Cut(c.endpoint.addr, ":")
	return fmt.Sprintf("clientPort=%s\ntickTime=%d\nmaxClientCnxns=0\nminSessionTimeout=%d\nmaxSessionTimeout=%d\nserverId=1\n",
		port, s.cfg.TickTime.Milliseconds(), s.cfg.MinSessionTimeout.Milliseconds(), s.cfg.MaxSessionTimeout.Milliseconds())
}

func (s *Server) wordDump() string {
	var b strings.Builder
	fmt.Fprintf(&b, "SessionTracker dump:\nSession Sets (%d)/(%d):\n", len(s.sessions), len(s.sessions))
	owners := 0
	ids := slices.Sorted(maps.Keys(s.sessions))
	for _, id := range ids {
		ss := s.sessions[id]
		fmt.Fprintf(&b, "1 expire at %s:\n\t%#x\n", s.started.Add(ss.deadline).UTC().Format(time.UnixDate), id)
		if len(ss.ephemerals) > 0 {
			owners++
		}
	}
	fmt.Fprintf(&b, "ephemeral nodes dump:\nSessions with Ephemerals (%d):\n", owners)
	for _, id := range ids {
		if paths := s.sessions[id].sortedEphemerals(); len(paths) > 0 {
			fmt.Fprintf(&b, "%#x:\n\t%s\n", id, strings.Join(paths, "\n\t"))
		}
	}
	live := s.liveConns()
	fmt.Fprintf(&b, "Connections dump:\nConnections Sets (1)/(%d):\n", len(live))
	for _, c := range live {
		fmt.Fprintf(&b, "\tip: /%v sessionId: %#x\n", c.addr, c.sessionID)
	}
	return b.String()
}

func (s *Server) wordWchs(c *conn) string {
	watches, paths := c.rep().watches.count(dataTable)
	watching := 0
	for _, c := range s.conns {
		if len(c.watchedPaths()) > 0 {
			watching++
		}
	}
	return fmt.Sprintf("%d connections watching %d paths\nTotal watches:%d\n", watching, paths, watches)
}

// watchedPaths returns the paths in the data table that a connection watches. The summaries of watches leave the child
// table out, as those of a real server do.
func (c *conn) watchedPaths() []string {
	var paths []string
	for key := range c.watched {
		if key.table == dataTable {
			paths = append(paths, key.path)
		}
	}
	slices.Sort(paths)
	return paths
}

func (s *Server) wordWchc() string {
	var b strings.Builder
	for _, c := range s.liveConns() {
		if paths := c.watchedPaths(); len(paths) > 0 {
			fmt.Fprintf(&b, "%#x\n\t%s\n", c.sessionID, strings.Join(paths, "\n\t"))
		}
	}
	return b.String()
}

func (s *Server) wordWchp() string {
	watchers := make(map[string][]string)
	for _, c := range s.liveConns() {
		for _, path := range c.watchedPaths() {
			watchers[path] = append(watchers[path], fmt.Sprintf("%#x", c.sessionID))
		}
	}
	var b strings.Builder
	for _, path := range slices.Sorted(maps.Keys(watchers)) {
		fmt.Fprintf(&b, "%s\n\t%s\n", path, strings.Join(watchers[path], "\n\t"))
	}
	return b.String()
}

func (s *Server) resetConnStats() string {
	for _, c := range s.conns {
		c.received, c.sent = 0, 0
	}
	return "Connection stats reset.\n"
}

func (s *Server) resetStats() string {
	s.received, s.sent = 0, 0
	return "Server stats reset.\n"
}
