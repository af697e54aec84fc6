package discovery

import "time"

// Endpoint is an instance as a [Service] has it. It is shared and must not be changed; after a change of the instance there is
// another one.
type Endpoint[T any] struct {
	Instance[T]
	Candidate
	service *Service[T]
}

// condition is how an instance does, from here. All Endpoints of one node share it.
type condition struct {
	key  string // of the node
	uses uses

	inService bool        // the instance is shown and not disabled; guarded by the Service's mutex, as is the following
	faults    []time.Time // the latest ones
	out       time.Time   // until when it is out; zero if it is not
}

// newEndpoint makes an Endpoint of an instance.
func (s *Service[T]) newEndpoint(key string, now *reading[T], state *condition) *Endpoint[T] {
	return &Endpoint[T]{
		Instance: now.in, service: s,
		Candidate: Candidate{key: key, weight: now.weight, zone: now.zone, state: state, uses: state.uses},
	}
}

// Done ends one use of a picked instance, and reports its error as [Endpoint.Report] does. It is to be called once for each
// Pick.
func (e *Endpoint[T]) Done(err error) {
	e.uses.add(lane(), -1)
	e.Report(err)
}

// Report tells what went wrong with the instance: after some errors in a short time it is put out, see [Ejection]. Nil is no
// error. It is for what the instance is to blame for, and not the end of one's own context.
func (e *Endpoint[T]) Report(err error) {
	if err != nil && e.service.ejection.Errors > 0 {
		e.service.fault(e.state)
	}
}
