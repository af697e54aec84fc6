package discovery_test

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/discovery"
)

// meta is a payload of one's own.
type meta struct {
	Zone   string `json:"zone"`
	Weight int    `json:"weight"`
}

// registered is the time in the examples.
var registered = time.UnixMilli(1700000000000).UTC()

const (
	// head and tail are what Curator 5.4 writes around a payload, read back from a server.
	head = `{"name":"svc","id":"id-string","address":"10.0.0.1","port":8080,"sslPort":null,"payload":`
	tail = `,"registrationTimeUTC":1700000000000,"serviceType":"DYNAMIC","uriSpec":null`
	spec = `{"parts":[{"value":"scheme","variable":true},{"value":"://","variable":false},{"value":"address","variable":true},` +
		`{"value":":","variable":false},{"value":"port","variable":true}]}`
)

// example is the instance of head and tail.
func example[T any](payload T) discovery.Instance[T] {
	return discovery.Instance[T]{
		Name: "svc", ID: "id-string", Address: "10.0.0.1", Port: 8080, Payload: payload, RegistrationTime: registered,
	}
}

// roundTrip expects an instance to be written as data, and data to be read as the instance.
func roundTrip[T any](t *testing.T, c discovery.Codec[T], in discovery.Instance[T], data string) {
	t.Helper()
	got, err := c.Encode(in)
	require.NoError(t, err)
	assert.Equal(t, data, string(got))
	read, err := c.Decode([]byte(data))
	require.NoError(t, err)
	assert.Equal(t, in, read)
}

// payload expects a payload to be written and read as Curator does.
func payload[T any](t *testing.T, v T, data string, opts ...discovery.JSONOption) {
	t.Helper()
	roundTrip(t, discovery.JSON[T](opts...), example(v), head+data+tail+"}")
}

func TestPayloadsAsCuratorHasThem(t *testing.T) {
	payload(t, "a payload", `"a payload"`)
	payload(t, "", `""`)
	payload(t, true, `true`)
	payload[any](t, nil, `null`)
	payload[*meta](t, nil, `null`)
	payload[map[string]any](t, nil, `null`)
	payload[[]any](t, nil, `null`)
	payload(t, 3, `3`)
	payload(t, int32(3), `3`)
	payload(t, uint16(3), `3`)
	payload(t, int64(3), `["java.lang.Long",3]`)
	payload(t, uint32(3), `["java.lang.Long",3]`)
	payload(t, math.MaxInt32+1, `["java.lang.Long",2147483648]`)
	payload(t, math.MinInt32, `-2147483648`)
	payload(t, uint64(math.MaxUint64), `["java.math.BigInteger",18446744073709551615]`)
	payload(t, 1.5, `1.5`)
	payload(t, 3.0, `3.0`)
	payload(t, float32(1.5), `["java.lang.Float",1.5]`)
	payload(t, map[string]any{"zone": "a", "weight": "3"}, `{"@class":"java.util.LinkedHashMap","weight":"3","zone":"a"}`)
	payload(t, map[string]string{}, `{"@class":"java.util.LinkedHashMap"}`)
	payload(t, []any{"a", 3.0}, `["java.util.ArrayList",["a",3]]`)
	payload(t, []string{"a.b", "c"}, `["java.util.ArrayList",["a.b","c"]]`)
	payload(t, meta{"a", 3}, `{"zone":"a","weight":3}`)
	payload(t, &meta{"a", 3}, `{"zone":"a","weight":3}`)
	payload(t, meta{"v", 2}, `{"@class":"CuratorDriver$Pojo","zone":"v","weight":2}`, discovery.Class("CuratorDriver$Pojo"))
	payload(t, map[string]string{"zone": "a"}, `{"@class":"com.example.Tags","zone":"a"}`, discovery.Class("com.example.Tags"))
	payload(t, map[string]string{"@class": "com.example.Tags", "zone": "a"}, `{"@class":"com.example.Tags","zone":"a"}`)
	payload(t, struct{}{}, `{"@class":"Empty"}`, discovery.Class("Empty"))
	payload[any](t, int64(3), `["java.lang.Long",3]`)
	payload[any](t, 3, `3`)
	payload[any](t, 1.5, `1.5`)
	payload[any](t, "text", `"text"`)
	payload[any](t, map[string]any{"a": 1, "b": []any{true, nil, int64(1 << 40)}}, `{"@class":"java.util.LinkedHashMap","a":1,"b":[true,null,1099511627776]}`)
	payload[any](t, []any{"a", 3}, `["java.util.ArrayList",["a",3]]`)
}

// What is read as it is, is written as it is, whatever it is.
func TestRawPayloadsAreExact(t *testing.T) {
	for _, raw := range []string{
		`null`, `3`, `3.0`, `1.0E10`, `"\u001F/<&ü\t"`, `["java.lang.Long",3]`, `["a",3]`, `["java.util.LinkedList",[1,2]]`,
		`{"@class":"java.util.HashMap","zone":"a","weight":3}`, `{"b":1,"@class":"CuratorDriver$Pojo","a":"v"}`,
	} {
		payload(t, json.RawMessage(raw), raw)
	}
	in, err := discovery.JSON[json.RawMessage]().Decode([]byte(`{}`))
	require.NoError(t, err)
	assert.Equal(t, "null", string(in.Payload))
	in.Payload = json.RawMessage(` { "a" : [ 1 , "< >" ] } `)
	data, err := discovery.JSON[json.RawMessage]().Encode(in)
	require.NoError(t, err)
	assert.Contains(t, string(data), `"payload":{"a":[1,"< >"]},`)
	in.Payload = json.RawMessage(`{"a":`)
	_, err = discovery.JSON[json.RawMessage]().Encode(in)
	require.ErrorIs(t, err, discovery.ErrInvalidInstance)
	in.Payload = nil
	data, err = discovery.JSON[json.RawMessage]().Encode(in)
	require.NoError(t, err)
	assert.Contains(t, string(data), `"payload":null,`)
}

func TestFieldsAsCuratorHasThem(t *testing.T) {
	in := example("p")
	in.SSLPort = 8443
	in.Type = discovery.DynamicSequential
	var err error
	in.URISpec, err = discovery.ParseURISpec("{scheme}://{address}:{port}")
	require.NoError(t, err)
	roundTrip(t, discovery.JSON[string](), in, `{"name":"svc","id":"id-string","address":"10.0.0.1","port":8080,"sslPort":8443,`+
		`"payload":"p","registrationTimeUTC":1700000000000,"serviceType":"DYNAMIC_SEQUENTIAL","uriSpec":`+spec+`}`)
	roundTrip(t, discovery.JSON[string](), discovery.Instance[string]{Type: discovery.Permanent, URISpec: discovery.URISpec{}},
		`{"name":null,"id":null,"address":null,"port":null,"sslPort":null,"payload":"","registrationTimeUTC":0,"serviceType":"PERMANENT","uriSpec":{"parts":[]}}`)
}

func TestEnabled(t *testing.T) {
	on, off := example("p"), example("p")
	off.Disabled = true
	oldest, enabled, disabled := head+`"p"`+tail+`}`, head+`"p"`+tail+`,"enabled":true}`, head+`"p"`+tail+`,"enabled":false}`
	roundTrip(t, discovery.JSON[string](), on, oldest)
	roundTrip(t, discovery.JSON[string](), off, disabled)
	roundTrip(t, discovery.JSON[string](discovery.EnabledAlways()), on, enabled)
	roundTrip(t, discovery.JSON[string](discovery.EnabledAlways()), off, disabled)
	never := discovery.JSON[string](discovery.EnabledNever())
	roundTrip(t, never, on, oldest)
	data, err := never.Encode(off)
	require.NoError(t, err)
	assert.Equal(t, oldest, string(data))
}

// Jackson escapes what JSON demands, and nothing else.
func TestTextAsJacksonHasIt(t *testing.T) {
	in := example("</&\u2028\u2029ü世🐘\x7f")
	in.Name = "a/b<c>&\"\\\b\t\n\f\r\x01\x1f"
	data, err := discovery.JSON[string]().Encode(in)
	require.NoError(t, err)
	assert.Contains(t, string(data), `{"name":"a/b<c>&\"\\\b\t\n\f\r\u0001\u001F",`)
	assert.Contains(t, string(data), `"payload":"</&`+"\u2028\u2029ü世"+`\uD83D\uDC18`+"\x7f"+`",`)
	read, err := discovery.JSON[string]().Decode(data)
	require.NoError(t, err)
	assert.Equal(t, in, read)

	nested := example(map[string][]string{"k\u2028\x02": {"<\u2029\"}"}})
	data, err = discovery.JSON[map[string][]string]().Encode(nested)
	require.NoError(t, err)
	assert.Contains(t, string(data), `"payload":{"@class":"java.util.LinkedHashMap","k`+"\u2028"+`\u0002":["<`+"\u2029"+`\"}"]},`)

	in.Address = "\xff"
	data, err = discovery.JSON[string]().Encode(in)
	require.NoError(t, err)
	assert.Contains(t, string(data), "\"address\":\"\ufffd\"")
}

func TestWhatCuratorAccepts(t *testing.T) {
	type instance = discovery.Instance[any]
	for data, want := range map[string]instance{
		`{}`: {},
		`{"id":"a","name":"s","unknown":{"x":[1]},"Port":1}`: {ID: "a", Name: "s"},
		`{"port":"80"}`:                           {Port: 80},
		`{"port":" 80 "}`:                         {Port: 80},
		`{"port":80.5,"sslPort":8e1}`:             {Port: 80, SSLPort: 80},
		`{"port":"","address":null}`:              {},
		`{"port":80,"port":81}`:                   {Port: 81},
		`{"name":3,"id":true,"address":1.50}`:     {Name: "3", ID: "true", Address: "1.50"},
		`{"registrationTimeUTC":"1700000000000"}`: {RegistrationTime: registered},
		`{"serviceType":null,"uriSpec":null}`:     {},
		`{"serviceType":"STATIC"}`:                {Type: discovery.Static},
		`{"enabled":true}`:                        {},
		`{"enabled":false}`:                       {Disabled: true},
		`{"enabled":"false"}`:                     {Disabled: true},
		`{"enabled":0}`:                           {Disabled: true},
		`{"uriSpec":"{port}"}`:                    {URISpec: discovery.URISpec{{Value: "port", Variable: true}}},
		`{"enabled":1}`:                           {},
		`{"uriSpec":{}}`:                          {URISpec: discovery.URISpec{}},
		`{"uriSpec":{"parts":[{"variable":true,"value":"x","y":1},{}]}}`: {URISpec: discovery.URISpec{{Value: "x", Variable: true}, {}}},
		" \n{ \"id\" : \"a\" }\n rest":                                   {ID: "a"},
		"\xef\xbb\xbf{\"id\":\"a\"}":                                     {ID: "a"},
		`{"payload":{"zone":"a","weight":3}}`:                            {Payload: map[string]any{"zone": "a", "weight": 3}},
		`{"payload":{"zone":"a","@class":"java.util.TreeMap"}}`:          {Payload: map[string]any{"zone": "a"}},
		`{"payload":{"zone":"a","@class":"com.example.Meta"}}`:           {Payload: map[string]any{"zone": "a", "@class": "com.example.Meta"}},
		`{"payload":["a",3]}`:                                            {Payload: []any{"a", 3}},
		`{"payload":["java.util.LinkedList",["a",3]]}`:                   {Payload: []any{"a", 3}},
		`{"payload":["java.lang.Integer",3]}`:                            {Payload: 3},
		`{"payload":3000000000}`:                                         {Payload: int64(3000000000)},
	} {
		in, err := discovery.JSON[any]().Decode([]byte(data))
		require.NoError(t, err, data)
		assert.Equal(t, want, in, data)
	}
}

func TestWhatCannotBeRead(t *testing.T) {
	for _, data := range []string{
		``, ` `, `null`, `3`, `"text"`, `[]`, `{`, `{"id":"a"`, `{'id':'a'}`, "\x00", `10.0.0.1`,
		`{"port":"x"}`, `{"port":"80.5"}`, `{"port":true}`, `{"port":[80]}`, `{"port":{}}`, `{"port":3000000000}`, `{"port":1e300}`,
		`{"serviceType":"dynamic"}`, `{"serviceType":"OTHER"}`, `{"serviceType":{}}`,
		`{"id":{}}`, `{"name":[]}`, `{"registrationTimeUTC":"now"}`, `{"enabled":"perhaps"}`, `{"enabled":[]}`,
		`{"uriSpec":"{"}`, `{"uriSpec":3}`, `{"enabled":1.5}`, `{"uriSpec":{"parts":{}}}`, `{"uriSpec":{"parts":[{"value":[]}]}}`,
		`{"payload":"a text where an object is read"}`, `{"payload":["java.util.ArrayList",[1]]}`, `{"payload":{"weight":"3"}}`,
		`{"payload":{"@class":"com.example.Other","zone":"a"}}`, `{"payload":{"@class":[]}}`,
	} {
		_, err := discovery.JSON[meta](discovery.Class("com.example.Meta")).Decode([]byte(data))
		assert.ErrorIs(t, err, discovery.ErrUnreadable, data)
	}
}

// What has no class of its own is read by whoever has one.
// What a node holds may be long, and what is said of it is not.
func TestReasonsAreShort(t *testing.T) {
	long := strings.Repeat("9", 100_000)
	for _, data := range []string{
		`{"port":` + long + `}`, `{"registrationTimeUTC":1e` + long + `}`, `{"serviceType":"` + long + `"}`, `{"uriSpec":"{` + long + `"}`,
		`{"payload":` + long + `}`, `{"payload":{"@class":"ü` + long + `"}}`,
	} {
		_, err := discovery.JSON[meta](discovery.Class("x.Y")).Decode([]byte(data))
		require.ErrorIs(t, err, discovery.ErrUnreadable)
		assert.Less(t, len(err.Error()), 500)
		assert.True(t, utf8.ValidString(err.Error()))
	}
	_, err := discovery.Spring().Decode([]byte(spring(`{"@class":"` + long + `"}`)))
	require.ErrorIs(t, err, discovery.ErrUnreadable)
	assert.Less(t, len(err.Error()), 500)
}

func TestClassIsDemandedOnlyIfAnotherIsNamed(t *testing.T) {
	c := discovery.JSON[meta](discovery.Class("com.example.Meta"))
	for _, data := range []string{
		`{"zone":"a"}`, `{"@class":"com.example.Meta","zone":"a"}`, `{"zone":"a","@class":"com.example.Meta"}`, `{"@class":"java.util.HashMap","zone":"a"}`,
	} {
		in, err := c.Decode([]byte(`{"payload":` + data + `}`))
		require.NoError(t, err, data)
		assert.Equal(t, meta{Zone: "a"}, in.Payload)
	}
}

func TestPayloadThatCannotBeWritten(t *testing.T) {
	_, err := discovery.JSON[any]().Encode(example[any](make(chan int)))
	require.ErrorIs(t, err, discovery.ErrInvalidInstance)
	_, err = discovery.JSON[float64]().Encode(example(math.NaN()))
	require.ErrorIs(t, err, discovery.ErrInvalidInstance)
}
