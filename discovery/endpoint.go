package discovery

import "time"

// Endpoint is an instance as a [Service] sees it. It is shared and must not be modified. After a change of the instance
// there is a new Endpoint.
type Endpoint[T any] struct {
	Instance[T]
	Candidate
	service *Service[T]
}

// condition is the local state of an instance. All Endpoints of one node share it.
type condition struct {
	key  string // of the node
	uses uses

	inService bool        // the instance is readable and not disabled; guarded by the Service's mutex, as are the fields below
	faults    []time.Time // the latest ones
	out       time.Time   // until when it is ejected; zero if it is not
	why       error       // the error that has ejected it last
}

// newEndpoint returns an Endpoint for an instance.
func (s *Service[T]) newEndpoint(key string, now *reading[T], state *condition) *Endpoint[T] {
	return &Endpoint[T]{
		Instance: now.in, service: s,
		Candidate: Candidate{key: key, weight: now.weight, zone: now.zone, state: state, uses: state.uses},
	}
}

// Done ends one use of a picked instance, and reports its error as [Endpoint.Report] does. Call it once for each Pick.
func (e *Endpoint[T]) Done(err error) {
	e.uses.add(lane(), -1)
	e.Report(err)
}

// Report reports an error of the instance. Several errors in a short time eject it: see [Ejection]. nil is ignored.
// Report only what the instance is responsible for, and not the end of the caller's own context.
func (e *Endpoint[T]) Report(err error) {
	if err != nil && e.service.ejection.Errors > 0 {
		e.service.fault(e.state, err)
	}
}
