package zktest

import (
	"errors"
	"slices"
)

// RestartMode is what a restart does with the server's state.
type RestartMode uint8

const (
	// KeepState keeps the tree and the sessions, as a server with its data directory does. Every session has its full
	// timeout again.
	KeepState RestartMode = iota
	// WipeState drops everything, as a server whose data directory was deleted: there are no nodes and no sessions, and
	// transactions start at 1 again. Such a server closes the connections of clients that have seen more transactions,
	// without a reply.
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

// Pause freezes endpoints (all if none are named), like a process that received SIGSTOP. Connections are still
// accepted, as the kernel does, but nothing is read, answered or sent. While all endpoints are paused, no session
// expires.
func (s *Server) Pause(endpoints ...int) {
	s.change(endpoints, func(e *endpoint) { e.paused = true })
}

// Resume ends a Pause. Sessions whose deadline passed while all endpoints were paused expire first. Then everything
// that has arrived is processed. (In a real server, the order is not defined.)
func (s *Server) Resume(endpoints ...int) {
	s.change(endpoints, func(e *endpoint) { e.paused = false })
	s.reopen()
}

// Refuse makes endpoints (all if none are named) refuse new connections. Open connections stay.
func (s *Server) Refuse(endpoints ...int) {
	s.change(endpoints, func(e *endpoint) { e.refusing = true })
	for _, e := range s.selected(endpoints) {
		s.net.unlisten(e)
	}
}

// Accept ends a Refuse. It fails if another process has taken the endpoint's port.
func (s *Server) Accept(endpoints ...int) error {
	s.change(endpoints, func(e *endpoint) { e.refusing = false })
	return s.relisten(endpoints)
}

// Stop ends endpoints (all if none are named), like processes that were killed: connections are reset and new ones
// refused. Sessions continue at the other endpoints. If all are stopped, no session expires.
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

// StartEndpoint starts stopped endpoints (all if none are named) with the state kept. If all were stopped, every
// session has its full timeout again. It fails if another process has taken an endpoint's port.
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

// Restart stops all endpoints and starts them again immediately, with the state kept or wiped.
func (s *Server) Restart(mode RestartMode) error {
	s.Stop()
	s.mu.Lock()
	if mode == WipeState {
		s.wipe()
	}
	s.mu.Unlock()
	return s.StartEndpoint()
}
