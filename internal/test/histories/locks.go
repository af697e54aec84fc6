package histories

import (
	"fmt"
	"slices"

	"github.com/anishathalye/porcupine"
)

// LockKind is what is done to a lock, or to the register that its holders write.
type LockKind int

// The operations on a lock.
const (
	Acquire   LockKind = iota // somebody holds the write lock; an acquisition that fails is dropped
	Share                     // somebody holds a read lock
	Downgrade                 // the write lock with Token becomes a read lock
	End                       // the context of the Held with Token has ended
	Gone                      // its Unlock has returned nil: the node is gone
	Destroy                   // a client's session is ended by force
	Write                     // the register is written, guarded by the claim with Token
	Read                      // the register is read
)

// LockInput is one call.
type LockInput struct {
	Kind   LockKind
	Who    string // for the page
	Token  int64  // for Downgrade, End, Gone and Write
	Value  int    // for Write
	Client int    // for Acquire, Share and Destroy
}

// LockOutput is what it returned.
type LockOutput struct {
	Token   int64 // of Acquire and Share
	Value   int   // of Read
	Refused bool  // of Write
}

// claim is somebody's place in the lock.
type claim struct {
	token  int64
	client int
}

// lockState is a lock and its register.
type lockState struct {
	writer  claim   // token 0 for nobody
	readers []claim // not changed in place
	guard   claim   // whose guarded writes are applied: the latest writer, until it is gone or somebody else holds
	newest  int64   // token of a writer
	highest int64   // token of anybody
	value   int     // of the register
}

func (s lockState) equal(o lockState) bool {
	return s.writer == o.writer && s.guard == o.guard && s.newest == o.newest && s.highest == o.highest && s.value == o.value &&
		slices.Equal(s.readers, o.readers)
}

// Locks is a mutex, or a readers-writer lock, that nobody holds, with a register that is 0.
var Locks = porcupine.Model{
	Init: func() any { return lockState{} },
	Step: func(state, input, output any) (bool, any) {
		out, closed := output.(LockOutput)
		return state.(lockState).step(input.(LockInput), out, closed)
	},
	Equal: func(a, b any) bool { return a.(lockState).equal(b.(lockState)) },
	DescribeOperation: func(input, output any) string {
		if output == nil {
			return input.(LockInput).String()
		}
		return fmt.Sprintf("%v -> %v", input, output)
	},
	DescribeState: func(state any) string { return fmt.Sprintf("%+v", state) },
}

func (s lockState) step(in LockInput, out LockOutput, closed bool) (bool, lockState) {
	switch in.Kind {
	case Acquire:
		return s.acquire(claim{out.Token, in.Client})
	case Share:
		return s.share(claim{out.Token, in.Client})
	case Downgrade:
		if s.writer.token != in.Token { // it had ended by then; the reading Held's end follows
			return true, s
		}
		s.readers = append(slices.Clone(s.readers), s.writer)
		s.writer = claim{}
		return true, s
	case End:
		return true, s.end(func(c claim) bool { return c.token == in.Token })
	case Gone:
		return true, s.gone(func(c claim) bool { return c.token == in.Token })
	case Destroy:
		return true, s.gone(func(c claim) bool { return c.client == in.Client })
	case Write:
		return s.write(in, out, closed)
	}
	return out.Value == s.value, s
}

func (s lockState) acquire(c claim) (bool, lockState) {
	ok := s.writer.token == 0 && len(s.readers) == 0 && c.token > s.highest
	s.writer, s.guard, s.newest, s.highest = c, c, c.token, c.token
	return ok, s
}

func (s lockState) share(c claim) (bool, lockState) {
	ok := s.writer.token == 0 && c.token > s.newest
	s.readers = append(slices.Clone(s.readers), c)
	slices.SortFunc(s.readers, func(a, b claim) int { return int(a.token - b.token) })
	s.guard, s.highest = claim{}, max(s.highest, c.token)
	return ok, s
}

// end is for holders who have stopped.
func (s lockState) end(of func(claim) bool) lockState {
	if of(s.writer) {
		s.writer = claim{}
	}
	if slices.ContainsFunc(s.readers, of) {
		s.readers = slices.DeleteFunc(slices.Clone(s.readers), of)
	}
	return s
}

// gone is for holders who have no node any more.
func (s lockState) gone(of func(claim) bool) lockState {
	s = s.end(of)
	if of(s.guard) {
		s.guard = claim{}
	}
	return s
}

// write is applied for the one whose claim stands, and refused to whom does not hold. Who has stopped, and has a node still,
// may get either answer. An open one does what it can.
func (s lockState) write(in LockInput, out LockOutput, closed bool) (bool, lockState) {
	stands := s.guard.token == in.Token
	switch {
	case closed && out.Refused:
		return s.writer.token != in.Token, s
	case !stands:
		return !closed, s
	}
	s.value = in.Value
	return true, s
}

// String shows the call as on the page.
func (in LockInput) String() string {
	switch in.Kind {
	case Acquire:
		return in.Who + " locks"
	case Share:
		return in.Who + " locks for reading"
	case Downgrade:
		return fmt.Sprintf("%s turns %#x into reading", in.Who, in.Token)
	case End:
		return fmt.Sprintf("%s: %#x ends", in.Who, in.Token)
	case Gone:
		return fmt.Sprintf("%#x is gone", in.Token)
	case Destroy:
		return fmt.Sprintf("the session of client %d is killed", in.Client)
	case Write:
		return fmt.Sprintf("%s writes %d as %#x", in.Who, in.Value, in.Token)
	}
	return "read"
}

// String shows the result as on the page.
func (out LockOutput) String() string {
	switch {
	case out.Token != 0:
		return fmt.Sprintf("%#x", out.Token)
	case out.Refused:
		return "refused"
	}
	return fmt.Sprint(out.Value)
}
