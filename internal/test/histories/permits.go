package histories

import (
	"fmt"
	"maps"
	"slices"

	"github.com/anishathalye/porcupine"
)

// PermitInput is one operation on a semaphore. What ends has no result.
type PermitInput struct {
	Kind    PermitKind
	Bundle  int    // number of the acquisition, for Take and Return
	Count   int    // of permits, for Take; the new limit, for Resize
	Client  int    // for Take and Kill
	Who     string // for the page
	allowed int    // the highest limit during the call, for Take
}

// PermitKind is what is done to a semaphore.
type PermitKind int

// The operations on a semaphore.
const (
	Take   PermitKind = iota // Count permits are acquired; an acquisition that fails is dropped
	Return                   // the context of an acquisition has ended
	Resize                   // the limit is set
	Kill                     // a client's session is ended by force
)

// taken is what is held: by number of the acquisition. It is not changed in place.
type taken map[int]PermitInput

// Permits is a semaphore. Histories must go through [Allow] first.
var Permits = porcupine.Model{
	Init: func() any { return taken{} },
	Step: func(state, input, _ any) (bool, any) { return state.(taken).step(input.(PermitInput)) },
	Equal: func(a, b any) bool {
		return maps.EqualFunc(a.(taken), b.(taken), func(PermitInput, PermitInput) bool { return true })
	},
	DescribeOperation: func(input, _ any) string { return input.(PermitInput).String() },
	DescribeState:     func(state any) string { return state.(taken).String() },
}

func (t taken) step(in PermitInput) (bool, taken) {
	if in.Kind == Resize {
		return true, t
	}
	next := maps.Clone(t)
	switch in.Kind {
	case Take:
		next[in.Bundle] = in
		return next.sum() <= in.allowed, next
	case Return:
		delete(next, in.Bundle)
	case Kill:
		maps.DeleteFunc(next, func(_ int, held PermitInput) bool { return held.Client == in.Client })
	}
	return true, next
}

func (t taken) sum() int {
	n := 0
	for _, held := range t {
		n += held.Count
	}
	return n
}

// Allow tells each acquisition of a history what the limit was at the most while it was under way. The limit has one
// setter, which begins with the given value and sets one after the other.
func Allow(history []porcupine.Operation, limit int) []porcupine.Operation {
	type span struct {
		limit    int
		from, to int64
	}
	spans := []span{{limit: limit, to: 1<<63 - 1}}
	for _, op := range history {
		if in := op.Input.(PermitInput); in.Kind == Resize {
			spans[len(spans)-1].to = op.Return
			spans = append(spans, span{in.Count, op.Call, 1<<63 - 1})
		}
	}
	list := slices.Clone(history)
	for i, op := range list {
		in := op.Input.(PermitInput)
		for _, s := range spans {
			if s.from <= op.Return && s.to >= op.Call {
				in.allowed = max(in.allowed, s.limit)
			}
		}
		list[i].Input = in
	}
	return list
}

// String shows the operation as on the page.
func (in PermitInput) String() string {
	switch in.Kind {
	case Take:
		return fmt.Sprintf("%s takes %d of %d (#%d)", in.Who, in.Count, in.allowed, in.Bundle)
	case Return:
		return fmt.Sprintf("#%d ends", in.Bundle)
	case Resize:
		return fmt.Sprintf("limit %d", in.Count)
	}
	return fmt.Sprintf("the session of client %d is killed", in.Client)
}

// String shows what is held.
func (t taken) String() string {
	text := fmt.Sprintf("%d held:", t.sum())
	for _, id := range slices.Sorted(maps.Keys(t)) {
		text += fmt.Sprintf(" #%d(%d)", id, t[id].Count)
	}
	return text
}
