package zktest

import (
	"errors"
	"slices"
)

// RestartMode says what a restart does to the server's state.
type RestartMode uint8

const (
	// KeepState keeps the tree and the sessions, as a server does that finds its data directory again. Every session
	// has its full timeout before it.
	KeepState RestartMode = iota
	// WipeState forgets everything, as a server does whose data directory was deleted: no nodes, no sessions, and
	// transactions that start again at 1. Such a server closes the connections of clients that have seen more
	// transactions than it has, without a word.
	WipeState
)

// selected returns the endpoints with the numbers, or all for none. An endpoint that does not exist is a mistake in the
// test and panics, like an index out of range.
func (s *Server) selected(numbers []int) []*endpoint {
	if len(numbers) == 0 {
		return s.endpoints
	}
	var list []*endpoint
	for _, i := range numbers {
		list = append(list, s.endpoints[i])
	}
	return list
}

// frozen reports whether no endpoint is running, so that time stands still for sessions.
func (s *Server) frozen() bool {
	return s.cluster != nil && !s.cluster.hasQuorum() || !slices.ContainsFunc(s.endpoints, func(e *endpoint) bool { return !e.paused && !e.down })
}

// change applies f to endpoints.
func (s *Server) change(numbers []int, f func(*endpoint)) {
	chosen := s.selected(numbers)
	s.mu.Lock()
	for _, e := range chosen {
		f(e)
	}
	s.reckon()
	s.mu.Unlock()
	s.net.changed()
}

// Pause freezes endpoints, or all of them if none is named, like a process that got SIGSTOP: connections are still
// accepted, as the kernel does, but nothing is read, answered or sent. When all are paused, no session expires either.
func (s *Server) Pause(endpoints ...int) {
	s.change(endpoints, func(e *endpoint) { e.paused = true })
}

// Resume ends a Pause. Sessions whose deadline passed while all endpoints were paused expire first; then what has
// arrived meanwhile is processed. (A real server does the one or the other first, as its threads happen to wake up.)
func (s *Server) Resume(endpoints ...int) {
	s.change(endpoints, func(e *endpoint) { e.paused = false })
	s.reopen()
}

// Refuse makes endpoints, or all of them if none is named, refuse new connections. Those that exist stay.
func (s *Server) Refuse(endpoints ...int) {
	s.change(endpoints, func(e *endpoint) { e.refusing = true })
	for _, e := range s.selected(endpoints) {
		s.net.unlisten(e)
	}
}

// Accept ends a Refuse. It fails if an endpoint's port has been taken by somebody else meanwhile.
func (s *Server) Accept(endpoints ...int) error {
	s.change(endpoints, func(e *endpoint) { e.refusing = false })
	return s.relisten(endpoints)
}

// Stop ends endpoints, or all of them if none is named, like processes that were killed: connections are reset and new
// ones refused. Sessions live on at the other endpoints; when all are stopped, no session expires.
func (s *Server) Stop(endpoints ...int) {
	s.change(endpoints, func(e *endpoint) { e.down, e.paused = true, false })
	for _, e := range s.selected(endpoints) {
		s.net.unlisten(e)
	}
	s.mu.Lock()
	for _, e := range s.selected(endpoints) {
		s.cut(EndpointConns(e.index))
	}
	s.standStill()
	s.mu.Unlock()
	s.wake()
}

// StartEndpoint starts stopped endpoints, or all of them if none is named, with the state kept. When all were stopped,
// every session has its full timeout before it. It fails if an endpoint's port has been taken by somebody else
// meanwhile.
func (s *Server) StartEndpoint(endpoints ...int) error {
	s.mu.Lock()
	if !slices.ContainsFunc(s.endpoints, func(e *endpoint) bool { return !e.down }) {
		s.rewind()
	}
	s.standStill()
	s.mu.Unlock()
	s.change(endpoints, func(e *endpoint) { e.down = false })
	err := s.relisten(endpoints)
	s.wake()
	return err
}

// rewind gives every session its full timeout again.
func (s *Server) rewind() {
	s.nextExpiry = never
	for _, ss := range s.sessions {
		s.touch(ss)
	}
}

// relisten takes connections again on those of the endpoints that are neither stopped nor refusing.
func (s *Server) relisten(numbers []int) error {
	var errs []error
	for _, e := range s.selected(numbers) {
		s.mu.Lock()
		off := e.down || e.refusing
		s.mu.Unlock()
		if !off {
			errs = append(errs, s.net.listen(e))
		}
	}
	return errors.Join(errs...)
}

// Restart stops all endpoints and starts them again at once, with the state kept or wiped.
func (s *Server) Restart(mode RestartMode) error {
	s.Stop()
	s.mu.Lock()
	if mode == WipeState {
		s.wipe()
	}
	s.mu.Unlock()
	return s.StartEndpoint()
}
