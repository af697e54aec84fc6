package histories

import (
	"fmt"

	"github.com/anishathalye/porcupine"
)

// CountKind is what is done to a counter.
type CountKind int

// The operations on a counter.
const (
	Appear        CountKind = iota // the first writer creates the node, as 0, if there is none. It is never closed
	Add                            // Value is added; the result is the sum
	Put                            // the number becomes Value
	CompareAndSet                  // the number becomes Value if it has Version; the result is the new version or a refusal
	Get                            // the result is the number and its version
)

// CountInput is one call.
type CountInput struct {
	Kind    CountKind
	Value   int64
	Version int32
}

// CountOutput is what it returned.
type CountOutput struct {
	Value   int64
	Version int32
	Refused bool // the version was another one
}

// number is a counter: version -1 while there is no node.
type number struct {
	value   int64
	version int32
}

// Counting is a counter that begins with this number, version -1 for none.
func Counting(value int64, version int32) porcupine.Model {
	return porcupine.Model{
		Init: func() any { return number{value, version} },
		Step: func(state, input, output any) (bool, any) {
			n := state.(number)
			in := input.(CountInput)
			out, closed := output.(CountOutput)
			return n.step(in, out, closed)
		},
		DescribeOperation: func(input, output any) string { return fmt.Sprintf("%v -> %v", input, output) },
		DescribeState:     func(state any) string { return fmt.Sprintf("%+v", state) },
	}
}

// step is one operation. An open one has no output: it happens, if there is a way in which it can.
func (n number) step(in CountInput, out CountOutput, closed bool) (bool, number) {
	switch in.Kind {
	case Appear:
		if n.version < 0 {
			return true, number{0, 0}
		}
		return true, n
	case Get:
		return out == CountOutput{Value: n.value, Version: n.version}, n
	case CompareAndSet:
		return n.compare(in, out, closed)
	}
	next := number{in.Value, n.version + 1}
	if in.Kind == Add {
		next.value += n.value
	}
	switch {
	case n.version < 0: // whoever adds or puts creates it first
		return !closed, n
	case closed && in.Kind == Add && out.Value != next.value:
		return false, n
	}
	return true, next
}

func (n number) compare(in CountInput, out CountOutput, closed bool) (bool, number) {
	fits := n.version == in.Version
	if closed && out.Refused {
		return !fits, n
	}
	next := number{in.Value, n.version + 1}
	switch {
	case fits && closed:
		return out.Version == next.version, next
	case fits:
		return true, next
	}
	return !closed, n
}

// String shows the call as on the page.
func (in CountInput) String() string {
	switch in.Kind {
	case Add:
		return fmt.Sprintf("add(%d)", in.Value)
	case Put:
		return fmt.Sprintf("set(%d)", in.Value)
	case CompareAndSet:
		return fmt.Sprintf("compareAndSet(version %d, %d)", in.Version, in.Value)
	case Get:
		return "get()"
	}
	return "appear()"
}

// String shows the result as on the page.
func (out CountOutput) String() string {
	if out.Refused {
		return "refused"
	}
	return fmt.Sprintf("%d, version %d", out.Value, out.Version)
}
