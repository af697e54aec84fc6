package interop

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/discovery"
)

// registryPath is where services are.
const registryPath = "/services"

// javaObject is the class of payloads that may be anything, and javaMeta the one that is like meta.
const (
	javaObject = "java.lang.Object"
	javaMeta   = "Discovery$Meta"
	javaSpring = "org.springframework.cloud.zookeeper.discovery.ZookeeperInstance"
)

// meta is a payload of one's own.
type meta struct {
	Zone   string `json:"zone"`
	Weight int    `json:"weight"`
}

// service is an instance of the service orders.
func service[T any](id string, payload T) discovery.Instance[T] {
	return discovery.Instance[T]{
		Name: "orders", ID: id, Address: "10.0.0.1", Port: 8080, Payload: payload, RegistrationTime: time.UnixMilli(1700000000000).UTC(),
	}
}

// javaWords are the arguments that make Curator's instance of the same fields.
func javaWords[T any](in discovery.Instance[T], kind, value string) []any {
	nullable := func(port int) string {
		if port == 0 {
			return ""
		}
		return strconv.Itoa(port)
	}
	return []any{
		in.Name, in.ID, in.Address, nullable(in.Port), nullable(in.SSLPort), kind, value, in.RegistrationTime.UnixMilli(), in.Type,
		in.URISpec.String(), !in.Disabled,
	}
}

// shownInJava is an instance as the peer shows it.
func shownInJava[T any](in discovery.Instance[T]) string {
	null := func(s string) string {
		if s == "" || s == "0" {
			return "null"
		}
		return s
	}
	at := int64(0)
	if !in.RegistrationTime.IsZero() {
		at = in.RegistrationTime.UnixMilli()
	}
	spec := "null"
	if in.URISpec != nil {
		spec = in.URI(nil)
	}
	return strings.Join([]string{
		in.Name, in.ID, null(in.Address), null(strconv.Itoa(in.Port)), null(strconv.Itoa(in.SSLPort)), jackson(in.Payload),
		strconv.FormatInt(at, 10), in.Type.String(), spec, strconv.FormatBool(!in.Disabled),
	}, "|")
}

// escapes are what encoding/json escapes in another way than Jackson.
var escapes = regexp.MustCompile(`\\u[0-9a-f]{4}`)

// jackson is a value in JSON as Jackson has it.
func jackson(v any) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(v)
	return escapes.ReplaceAllStringFunc(strings.TrimSpace(b.String()), func(s string) string {
		n, _ := strconv.ParseUint(s[2:], 16, 16)
		if n < ' ' {
			return `\u` + strings.ToUpper(s[2:])
		}
		return string(rune(n))
	})
}

// sameBytes expects both sides to write the same, and to read it.
func sameBytes[T any](t *testing.T, other *party, c discovery.Codec[T], in discovery.Instance[T], kind, value string) {
	t.Helper()
	ours, err := c.Encode(in)
	require.NoError(t, err)
	theirs, err := hex.DecodeString(other.says("discovery.write", javaWords(in, kind, value)...))
	require.NoError(t, err)
	assert.Equal(t, string(theirs), string(ours), kind)
	read, err := c.Decode(theirs)
	require.NoError(t, err, kind)
	assert.Equal(t, in, read, kind)
	assert.Equal(t, shownInJava(in), other.says("discovery.read", hex.EncodeToString(ours)), kind)
}

// Whatever the payload, both write the same bytes.
func TestDiscoveryPayloadBytes(t *testing.T) {
	t.Parallel()
	other := onReal(t).party(curator)
	other.do("discovery.format", javaObject, "compatible")
	whole, err := discovery.JSON[float64]().Encode(service("a", 3.0))
	require.NoError(t, err)
	assert.Equal(t, hex.EncodeToString(whole), other.says("discovery.write", javaWords(service("a", 3.0), "Double", "3")...))
	sameBytes(t, other, discovery.JSON[any](), service[any]("a", nil), "null", "")
	sameBytes(t, other, discovery.JSON[any](), service[any]("a", int64(3)), "Long", "3")
	sameBytes(t, other, discovery.JSON[string](), service("a", "text"), "String", "text")
	sameBytes(t, other, discovery.JSON[bool](), service("a", true), "Boolean", "true")
	sameBytes(t, other, discovery.JSON[int](), service("a", 3), "Integer", "3")
	sameBytes(t, other, discovery.JSON[int](), service("a", -1<<31), "Integer", "-2147483648")
	sameBytes(t, other, discovery.JSON[int](), service("a", 1<<31), "Long", "2147483648")
	sameBytes(t, other, discovery.JSON[int64](), service("a", int64(3)), "Long", "3")
	sameBytes(t, other, discovery.JSON[uint64](), service("a", uint64(1<<63)), "BigInteger", "9223372036854775808")
	sameBytes(t, other, discovery.JSON[float64](), service("a", 1.5), "Double", "1.5")
	sameBytes(t, other, discovery.JSON[float64](), service("a", -0.25), "Double", "-0.25")
	sameBytes(t, other, discovery.JSON[float32](), service("a", float32(1.5)), "Float", "1.5")
	sameBytes(t, other, discovery.JSON[[]any](), service("a", []any{"x", 3.0}), "ArrayList", "x")
	sameBytes(t, other, discovery.JSON[map[string]any](), service("a", map[string]any{"weight": 3.0, "zone": "a"}), "LinkedHashMap", "a")
	var m []any
	for kind, value := range map[string]string{"Long": "3", "Meta": "a", "LinkedHashMap": "a", "ArrayList": "x", "Float": "0.1"} {
		theirs, err := hex.DecodeString(other.says("discovery.write", javaWords(service("a", m), kind, value)...))
		require.NoError(t, err)
		raw, err := discovery.JSON[json.RawMessage]().Decode(theirs)
		require.NoError(t, err)
		ours, err := discovery.JSON[json.RawMessage]().Encode(raw)
		require.NoError(t, err)
		assert.Equal(t, string(theirs), string(ours), "a raw payload of %s", kind)
	}
	object := discovery.JSON[meta](discovery.Class(javaMeta))
	ours, err := object.Encode(service("a", meta{"a", 3}))
	require.NoError(t, err)
	theirs, err := hex.DecodeString(other.says("discovery.write", javaWords(service("a", m), "Meta", "a")...))
	require.NoError(t, err)
	assert.Equal(t, string(theirs), string(ours))
	other.do("discovery.format", javaMeta, "compatible")
	assert.Equal(t, shownInJava(service("a", meta{"a", 3})), other.says("discovery.read", hex.EncodeToString(ours)))
	// A struct without a class is a map to Java.
	other.do("discovery.format", "java.util.LinkedHashMap", "compatible")
	ours, err = discovery.JSON[meta]().Encode(service("a", meta{"a", 3}))
	require.NoError(t, err)
	assert.Equal(t, `orders|a|10.0.0.1|8080|null|{"weight":3,"zone":"a"}|1700000000000|DYNAMIC|null|true`,
		other.says("discovery.read", hex.EncodeToString(ours)))
}

// The other fields, with whatever text.
func TestDiscoveryFieldBytes(t *testing.T) {
	t.Parallel()
	other := onReal(t).party(curator)
	for format, opt := range map[string][]discovery.JSONOption{"compatible": nil, "enabled": {discovery.EnabledAlways()}} {
		other.do("discovery.format", javaObject, format)
		c := discovery.JSON[string](opt...)
		in := service("a", "p")
		sameBytes(t, other, c, in, "String", "p")
		in.SSLPort, in.Type = 8443, discovery.DynamicSequential
		sameBytes(t, other, c, in, "String", "p")
		in.Port, in.Address, in.Type = 0, "", discovery.Permanent
		sameBytes(t, other, c, in, "String", "p")
		for _, spec := range []string{"{scheme}://{address}:{port}", "{ name }/{id}{ssl-port}{x}{[}{registration-time-utc}{]}{service-type}", "plain"} {
			var err error
			in.URISpec, err = discovery.ParseURISpec(spec)
			require.NoError(t, err)
			sameBytes(t, other, c, in, "String", "p")
		}
		for _, text := range []string{"</&>'", "ü世🐘\x7f", "\u2028\u2029", "\"\\\b\t\n\f\r", "\x01\x1f\x0b", " "} {
			in.Name, in.Address = text, text
			in.Payload = text
			sameBytes(t, other, c, in, "String", text)
		}
	}
	other.do("discovery.format", javaObject, "enabled")
	in := service("a", "p")
	in.Disabled = true
	sameBytes(t, other, discovery.JSON[string](discovery.EnabledAlways()), in, "String", "p")
	ours, err := discovery.JSON[string]().Encode(in)
	require.NoError(t, err)
	assert.Equal(t, shownInJava(in), other.says("discovery.read", hex.EncodeToString(ours)), "a disabled one is no less readable")
}

// What one of them reads, the other does, and reads the same; what one refuses, the other refuses.
func TestDiscoveryReadsWhatCuratorReads(t *testing.T) {
	t.Parallel()
	other := onReal(t).party(curator)
	other.do("discovery.format", javaObject, "compatible")
	for _, field := range []string{
		``, `"unknown":{"x":[1]}`, `"port":"80"`, `"port":" 80 "`, `"port":80.5`, `"port":-80.5`, `"port":8e1`, `"port":""`, `"port":" "`, `"port":null`,
		`"port":"x"`, `"port":"80.5"`, `"port":true`, `"port":[80]`, `"port":{}`, `"port":3000000000`, `"port":"3000000000"`, `"port":80,"port":81`,
		`"Port":80`, `"address":3`, `"address":1.50`, `"address":true`, `"address":{}`, `"address":[]`, `"address":["x"]`,
		`"registrationTimeUTC":"17"`, `"registrationTimeUTC":17.9`, `"registrationTimeUTC":null`, `"registrationTimeUTC":""`, `"registrationTimeUTC":"x"`,
		`"serviceType":"STATIC"`, `"serviceType":"static"`, `"serviceType":"OTHER"`, `"serviceType":{}`, `"serviceType":"PERMANENT"`,
		`"enabled":true`, `"enabled":false`, `"enabled":"true"`, `"enabled":"false"`, `"enabled":"True"`, `"enabled":0`, `"enabled":1`, `"enabled":""`,
		`"enabled":"x"`, `"enabled":[]`, `"enabled":null`, `"enabled":1.5`,
		`"uriSpec":null`, `"uriSpec":{}`, `"uriSpec":{"parts":[]}`, `"uriSpec":{"parts":[{"value":"x","variable":false}]}`, `"uriSpec":"x"`, `"uriSpec":"{port}"`, `"uriSpec":"{"`, `"uriSpec":3`, `"uriSpec":[]`, `"uriSpec":""`, `"uriSpec":{"parts":{}}`,
		`"payload":null`, `"payload":3`, `"payload":"x"`, `"payload":true`, `"payload":1.5`, `"payload":{"zone":"a","weight":3}`, `"payload":{}`,
		`"payload":["java.lang.Long",3]`, `"payload":["java.lang.Integer",3]`, `"payload":["java.util.ArrayList",["a",3]]`, `"payload":["java.util.LinkedList",[]]`,
		`"payload":{"@class":"java.util.HashMap","zone":"a"}`, `"payload":{"zone":"a","@class":"java.util.TreeMap"}`,
	} {
		in := `{"name":"n","id":"i"`
		if field != "" {
			in += "," + field
		}
		compare(t, other, in+"}")
	}
	for _, data := range []string{
		``, ` `, `null`, `3`, `[]`, `{`, `{"id":"a"`, `{'id':'a'}`, "\x00", `10.0.0.1`, "\xef\xbb\xbf{\"name\":\"n\",\"id\":\"i\"}", " \n{ \"name\" : \"n\" , \"id\":\"i\"}\n",
		`{"name":"n","id":"i"} rest`, `{"name":"n","id":"i",}`, `{"id":3,"name":true}`, `{}`,
	} {
		compare(t, other, data)
	}
}

// compare reads data on both sides.
func compare(t *testing.T, other *party, data string) {
	t.Helper()
	in, err := discovery.JSON[any]().Decode([]byte(data))
	theirs, failed := other.begin("discovery.read", hex.EncodeToString([]byte(data))).result()
	if failed != nil || err != nil {
		assert.Equal(t, failed != nil, err != nil, "%s: docent: %v, Curator: %v", data, err, failed)
		return
	}
	assert.Equal(t, theirs, []string{shownInJava(in)}, data)
}

// Instances of each side, seen by the queries, caches and providers of the other.
func TestCuratorDiscovery(t *testing.T) {
	t.Parallel()
	w := onReal(t)
	ctx, other := within(t), w.curator()
	other.do("discovery.format", javaObject, "compatible")
	other.do("discovery.start", registryPath)
	reg := discovery.New[string](w.client(), registryPath)
	ours, theirs := service("ours", "from Go"), service("theirs", "from Java")
	mine, err := reg.Register(ctx, ours)
	require.NoError(t, err)
	other.do("discovery.register", javaWords(theirs, "String", "from Java")...)

	instances, skipped, err := reg.Instances(ctx, "orders")
	require.NoError(t, err)
	assert.Empty(t, skipped)
	assert.Equal(t, []discovery.Instance[string]{ours, theirs}, instances)
	assert.Equal(t, []string{shownInJava(ours), shownInJava(theirs)}, other.do("discovery.instances", "orders"))
	assert.Equal(t, shownInJava(ours), other.says("discovery.instance", "orders", "ours"))
	names, err := reg.Names(ctx)
	require.NoError(t, err)
	assert.Equal(t, names, other.do("discovery.names"))
	for id, in := range map[string]discovery.Instance[string]{"ours": ours, "theirs": theirs} {
		want, err := discovery.JSON[string]().Encode(in)
		require.NoError(t, err)
		assert.Equal(t, string(want), w.data(registryPath+"/orders/"+id))
	}

	svc, err := reg.Open(ctx, "orders")
	require.NoError(t, err)
	defer svc.Close()
	other.do("discovery.open", "orders")
	other.do("discovery.cached", "ours,theirs")
	other.do("discovery.provided", "ours,theirs")

	drained := beside("docent drains", func() error { return mine.Drain(ctx, time.Hour) })
	other.do("discovery.provided", "theirs")
	other.do("discovery.cached", "ours,theirs")
	require.NoError(t, mine.Close(ctx))
	drained.wait(t)
	other.do("discovery.cached", "theirs")
	theirs.Port = 9090
	other.do("discovery.update", javaWords(theirs, "String", "from Java")...)
	changes := svc.Changes(ctx)
	for c := range changes {
		if c.Len() == 1 && slices.Collect(c.Instances())[0].Port == 9090 {
			break
		}
	}
	other.do("discovery.unregister", javaWords(theirs, "String", "from Java")...)
	for c := range changes {
		if c.Len() == 0 {
			break
		}
	}
	_, err = svc.Pick()
	require.ErrorIs(t, err, discovery.ErrNoInstances)
}

// An instance that Curator has taken out of service is not picked here, and one whose session ends is replaced there.
func TestCuratorDiscoveryEnabled(t *testing.T) {
	t.Parallel()
	w := onReal(t)
	ctx, other, cli := within(t), w.curator(), w.client()
	other.do("discovery.format", javaObject, "enabled")
	other.do("discovery.start", registryPath)
	theirs := service("theirs", "p")
	theirs.Disabled = true
	other.do("discovery.register", javaWords(theirs, "String", "p")...)
	reg := discovery.New(cli, registryPath, discovery.WithCodec(discovery.JSON[string](discovery.EnabledAlways())))
	mine, err := reg.Register(ctx, service("ours", "p"))
	require.NoError(t, err)
	svc, err := reg.Open(ctx, "orders")
	require.NoError(t, err)
	defer svc.Close()
	for range 10 {
		e, err := svc.Pick()
		require.NoError(t, err)
		assert.Equal(t, "ours", e.Key())
	}
	other.do("discovery.open", "orders")
	other.do("discovery.provided", "ours")
	first := mine.Standing().Session
	require.NoError(t, w.expire(ctx, first))
	for mine.Standing().Session == first {
		require.NoError(t, ctx.Err())
		require.NoError(t, cli.Sync(ctx, registryPath))
	}
	require.NoError(t, mine.WaitStanding(ctx))
	other.do("discovery.provided", "ours")
	assert.Equal(t, []string{shownInJava(service("ours", "p")), shownInJava(theirs)}, other.do("discovery.instances", "orders"))
}

// One node that cannot be read: Curator's query fails for the whole service, its cache leaves the node out, and so do we.
func TestDiscoveryBrokenSibling(t *testing.T) {
	t.Parallel()
	w := onReal(t)
	ctx, other := within(t), w.curator()
	other.do("discovery.format", javaObject, "compatible")
	other.do("discovery.start", registryPath)
	other.do("discovery.register", javaWords(service("theirs", "p"), "String", "p")...)
	w.create(registryPath+"/orders/broken", "{")
	w.create(registryPath+"/orders/empty", "")
	w.create(registryPath+"/orders/unknown", `{"name":"orders","id":"unknown","payload":{"@class":"com.example.Missing"}}`)
	reg := discovery.New[string](w.client(), registryPath)
	instances, skipped, err := reg.Instances(ctx, "orders")
	require.NoError(t, err)
	assert.Equal(t, []discovery.Instance[string]{service("theirs", "p")}, instances)
	assert.Len(t, skipped, 3)
	_, err = other.begin("discovery.instances", "orders").result()
	require.Error(t, err)
	other.do("discovery.open", "orders")
	other.do("discovery.cached", "theirs")
}

// Payloads of Spring Cloud Zookeeper's shape, through Curator with a class of that name.
func TestSpringDiscovery(t *testing.T) {
	t.Parallel()
	w := onReal(t)
	ctx, other := within(t), w.curator()
	other.do("discovery.format", javaSpring, "compatible")
	other.do("discovery.start", registryPath)
	reg := discovery.New(w.client(), registryPath, discovery.WithCodec(discovery.Spring()))
	payload := func(status string) discovery.SpringInstance {
		return discovery.SpringInstance{ID: "application-1", Name: "orders", Metadata: map[string]string{"instance_status": status, "zone": "a"}}
	}
	in := service("theirs", payload("UP"))
	in.URISpec, _ = discovery.ParseURISpec("{scheme}://{address}:{port}")
	sameSpring(t, other, in, "UP")
	other.do("discovery.register", javaWords(in, "Spring", "UP")...)
	ours := service("ours", discovery.SpringInstance{Metadata: map[string]string{"instance_status": "UP"}})
	mine, err := reg.Register(ctx, ours)
	require.NoError(t, err)
	instances, skipped, err := reg.Instances(ctx, "orders")
	require.NoError(t, err)
	assert.Empty(t, skipped)
	require.Len(t, instances, 2)
	assert.Equal(t, in, instances[1])
	assert.Equal(t, fmt.Sprintf("orders|ours|10.0.0.1|8080|null|%s|1700000000000|DYNAMIC|http://10.0.0.1:8080|true",
		`{"id":"ours","name":"orders","metadata":{"instance_status":"UP"}}`), other.do("discovery.instances", "orders")[0])

	drained := beside("docent drains", func() error { return mine.Drain(ctx, time.Hour) })
	for !strings.Contains(other.do("discovery.instances", "orders")[0], `"instance_status":"OUT_OF_SERVICE"`) {
		require.NoError(t, ctx.Err())
	}
	in.Disabled, in.Payload = true, payload("OUT_OF_SERVICE")
	sameSpring(t, other, in, "OUT_OF_SERVICE")
	other.do("discovery.update", javaWords(in, "Spring", "OUT_OF_SERVICE")...)
	svc, err := reg.Open(ctx, "orders")
	require.NoError(t, err)
	defer svc.Close()
	_, err = svc.Pick()
	require.ErrorIs(t, err, discovery.ErrNoInstances)
	require.NoError(t, mine.Close(ctx))
	drained.wait(t)
}

// sameSpring expects both sides to write the same, and to read it here.
func sameSpring(t *testing.T, other *party, in discovery.Instance[discovery.SpringInstance], status string) {
	t.Helper()
	ours, err := discovery.Spring().Encode(in)
	require.NoError(t, err)
	words := javaWords(in, "Spring", status)
	words[len(words)-1] = true
	theirs, err := hex.DecodeString(other.says("discovery.write", words...))
	require.NoError(t, err)
	assert.Equal(t, string(theirs), string(ours))
	read, err := discovery.Spring().Decode(theirs)
	require.NoError(t, err)
	assert.Equal(t, in, read)
}
