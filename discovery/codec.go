package discovery

// Codec translates between instances and the data of their nodes. [JSON] and [Spring] are the ones that Java services
// understand. It is used by many goroutines at once. A node for which Decode panics, or does not return within 10 s, is skipped,
// with framework.ErrPanicked or ErrBlocked; a call that returns later counts when it does.
type Codec[T any] interface {
	// Encode returns what an instance's node holds. An error says that the instance cannot be written.
	Encode(in Instance[T]) ([]byte, error)
	// Decode reads what a node holds, which anybody may have written. data is not to be changed or kept. An error says that
	// it is no instance; the node is then skipped.
	Decode(data []byte) (Instance[T], error)
}

// JSONOption changes how [JSON] writes.
type JSONOption func(*jsonFormat)

// EnabledAlways writes the field "enabled" into every instance, as Curator does with its compatibility mode switched off.
// Otherwise it is written only for an instance that is disabled.
func EnabledAlways() JSONOption { return func(f *jsonFormat) { f.enabled = always } }

// EnabledNever never writes the field "enabled", for readers with a Curator before 4.1, to which an unknown field is an error. A
// disabled instance then looks like any other, and Drain removes the node before it waits.
func EnabledNever() JSONOption { return func(f *jsonFormat) { f.enabled = never } }

// Class is the Java class that a payload which is a JSON object is for. It is written as "@class", as Curator does for payloads
// of a class of one's own, and a payload of another class cannot be read.
func Class(name string) JSONOption { return func(f *jsonFormat) { f.class = name } }

// JSON is the format of Curator's JsonInstanceSerializer. What it writes are the bytes that Curator writes for the same
// instance, in the form that every version of Curator reads.
//
// The payload is T as package encoding/json has it, dressed so that Curator finds a class for it:
//
//	Go                                       JSON                                        Java
//	nil                                      null                                        null
//	string, bool                             "text", true                                String, Boolean
//	int, int8 to int32, uint8, uint16        3                                           Integer
//	int64, uint32, int beyond 32 bits        ["java.lang.Long",3]                        Long
//	uint64 beyond 63 bits                    ["java.math.BigInteger",...]                BigInteger
//	float64                                  1.5                                         Double
//	float32                                  ["java.lang.Float",1.5]                     Float
//	struct                                   {"zone":"a"}                                LinkedHashMap
//	struct, with Class                       {"@class":"com.example.Meta","zone":"a"}    that class
//	map                                      {"@class":"java.util.LinkedHashMap",...}    LinkedHashMap
//	slice, array                             ["java.util.ArrayList",["a",3]]             ArrayList
//	json.RawMessage                          as it is                                    what it says
//
// Reading accepts each of these, with or without its class. With T any, what comes out are nil, bool, string, int, int64 for what is a
// Long, float64, []any and map[string]any. A payload that does not fit T is an error: the node is then skipped. With
// json.RawMessage no payload is, and what is written is what was read, byte for byte.
func JSON[T any](opts ...JSONOption) Codec[T] {
	c := &jsonCodec[T]{}
	for _, opt := range opts {
		opt(&c.format)
	}
	return c
}

// presence says when a field is written.
type presence int

const (
	whenDisabled presence = iota
	always
	never
)

// jsonFormat is how JSON writes.
type jsonFormat struct {
	enabled presence
	class   string
}

type jsonCodec[T any] struct{ format jsonFormat }

func (c *jsonCodec[T]) Encode(in Instance[T]) ([]byte, error) {
	payload, err := encodePayload(in.Payload, c.format.class)
	if err != nil {
		return nil, err
	}
	return c.format.append(envelopeOf(&in, payload)), nil
}

func (c *jsonCodec[T]) Decode(data []byte) (Instance[T], error) {
	e, err := readEnvelope(data)
	if err != nil {
		return Instance[T]{}, err
	}
	payload, err := decodePayload[T](e.payload, c.format.class)
	if err != nil {
		return Instance[T]{}, err
	}
	return instanceOf(&e, payload), nil
}
