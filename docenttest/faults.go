package docenttest

import (
	"fmt"
	"slices"
	"time"

	"github.com/docent-zk/docent/zktest"
)

// LoseSession ends the sessions of the clients with a name, as a server does that has not heard from them for too long. Their ephemeral
// nodes are gone, and each client learns it when it connects again. LoseSession returns when all of them have their next sessions.
//
// Such a client must be connected. To end the session of one that is not, remember its id and call ExpireSession.
func (s *Server) LoseSession(client string) {
	s.tb.Helper()
	lost := s.sessions(client)
	for _, session := range lost {
		s.ExpireSession(session.ID)
	}
	s.Eventually(fmt.Sprintf("client %q begins its next session", client), func() bool {
		next := s.connected(client)
		return len(next) == len(lost) && !slices.ContainsFunc(next, func(n zktest.SessionInfo) bool {
			return slices.ContainsFunc(lost, func(l zktest.SessionInfo) bool { return l.ID == n.ID })
		})
	})
	s.Settle()
}

// Blip breaks the connections of the clients with a name and lets them connect again after a fifth of the session timeout, which their sessions
// survive. Halfway it calls during, which may be nil. Blip returns when the clients are connected again.
//
// If during takes longer than the session timeout, the sessions end and the clients begin others.
func (s *Server) Blip(client string, during func()) {
	s.tb.Helper()
	before := s.sessions(client)
	half := before[0].Timeout / 10
	reconnect := s.Disconnect(client)
	time.Sleep(half)
	if during != nil {
		during()
	}
	time.Sleep(half)
	reconnect()
	s.Eventually(fmt.Sprintf("client %q connects again", client), func() bool {
		return len(s.connected(client)) == len(before)
	})
	s.Settle()
}

// Disconnect breaks the connections of the clients with a name, and every later one as soon as something is sent on it, until the result is called. Their
// sessions end after the session timeout.
func (s *Server) Disconnect(client string) (reconnect func()) {
	s.tb.Helper()
	s.sessions(client)
	heal := s.OnFrame(func(f zktest.Frame) zktest.Verdict {
		if f.Conn.Client == client {
			return zktest.Cut
		}
		return zktest.Pass
	})
	s.Cut(zktest.ClientConns(client))
	return heal
}

// Silence loses everything that is sent to or by the clients with a name, until the result is called. Nobody is told: client and server find out
// when they have heard nothing for too long. Their sessions end after the session timeout.
func (s *Server) Silence(client string) (heal func()) {
	return s.Blackhole(zktest.ClientConns(client), zktest.Both)
}

// Outage stops the servers, which keep their state, until the result is called. No session ends meanwhile at the servers, and each has
// its full timeout when they start again. Clients cannot know that, and count their sessions as lost after the session timeout.
func (s *Server) Outage() (end func()) {
	s.tb.Helper()
	s.Stop()
	s.Settle()
	return func() {
		s.tb.Helper()
		s.must(s.StartEndpoint(), "start the servers")
	}
}

// connected returns the sessions that clients with a name are connected in.
func (s *Server) connected(client string) []zktest.SessionInfo {
	return slices.DeleteFunc(s.Sessions(), func(session zktest.SessionInfo) bool {
		return !session.Connected || session.Conn.Client != client
	})
}

// sessions is connected, and fails the test if there is none.
func (s *Server) sessions(client string) []zktest.SessionInfo {
	s.tb.Helper()
	all := s.connected(client)
	if len(all) == 0 {
		s.tb.Fatalf("docenttest: no client %q is connected", client)
	}
	return all
}
