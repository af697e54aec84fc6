package discovery

// Codec converts between instances and the data of their nodes. Java services understand [JSON] and [Spring]. It must
// be safe for concurrent use. A node for which Decode panics, or does not return within 10 s, is skipped, with
// framework.ErrPanicked or ErrBlocked. If the call returns later, its result is used then.
type Codec[T any] interface {
	// Encode returns the data of an instance's node, or an error if the instance cannot be represented.
	Encode(in Instance[T]) ([]byte, error)
	// Decode parses the data of a node, which any client may have written. It must not keep or modify data. If it
	// returns an error, the node is skipped.
	Decode(data []byte) (Instance[T], error)
}

// JSONOption configures [JSON].
type JSONOption func(*jsonFormat)

// EnabledAlways writes the field "enabled" for every instance, as Curator does with its compatibility mode switched
// off. Without it, the field is written for disabled instances only.
func EnabledAlways() JSONOption { return func(f *jsonFormat) { f.enabled = always } }

// EnabledNever never writes the field "enabled", for readers with Curator before 4.1, which reject unknown fields. A
// disabled instance then looks like any other, and Drain removes the node before it waits.
func EnabledNever() JSONOption { return func(f *jsonFormat) { f.enabled = never } }

// Class sets the Java class of a payload that is a JSON object. It is written as "@class", as Curator does for a user's
// payload class. Payloads of another class are rejected.
func Class(name string) JSONOption { return func(f *jsonFormat) { f.class = name } }

// JSON returns the format of Curator's JsonInstanceSerializer. It writes the same bytes as Curator does for the same
// instance, in the form that every version of Curator reads.
//
// The payload is encoded as by package encoding/json, with the class that Curator expects:
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
//	json.RawMessage                          unchanged                                   as written
//
// Each of these is accepted on reading, with or without its class. With T any, the results are nil, bool, string, int,
// int64 for a Long, float64, []any and map[string]any. A payload that does not fit T is an error, and the node is
// skipped. With json.RawMessage every payload fits, and is written exactly as it was read.
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

// jsonFormat is the configuration of JSON.
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
