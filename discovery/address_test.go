package discovery_test

import (
	"net"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/discovery"
)

// uriSpec is a URISpec.
func uriSpec(text string) discovery.URISpec {
	s, err := discovery.ParseURISpec(text)
	if err != nil {
		panic(err)
	}
	return s
}

// place is what an instance says of where it can be called.
type place struct {
	address   string
	port, ssl int
	spec      discovery.URISpec
}

// at is an instance there.
func (p place) at(id string) discovery.Instance[meta] {
	in := instance(id)
	in.Address, in.Port, in.SSLPort, in.URISpec = p.address, p.port, p.ssl, p.spec
	return in
}

// Places that can be called, with what HostPort says.
var reachable = []struct {
	place
	hostPort string
}{
	{place{"10.0.0.1", 80, 0, nil}, "10.0.0.1:80"},
	{place{"10.0.0.1", 80, 443, nil}, "10.0.0.1:80"},
	{place{"h", 0, 443, nil}, "h:443"},
	{place{"::1", 80, 0, nil}, "[::1]:80"},
	{place{"2001:db8::7", 0, 443, nil}, "[2001:db8::7]:443"},
	{place{"fe80::1%eth0", 80, 0, nil}, "[fe80::1%eth0]:80"},
	{place{"0:0:0:0:0:0:0:1", 80, 0, nil}, "[0:0:0:0:0:0:0:1]:80"},
	{place{"a.example.org.", 80, 0, nil}, "a.example.org.:80"},
	{place{"my_pod-7.ns", 80, 0, nil}, "my_pod-7.ns:80"},
	{place{"bücher.example", 80, 0, nil}, "bücher.example:80"},
	{place{"h", 0, 0, uriSpec("{scheme}://{address}/api")}, ""},
	{place{"", 0, 0, uriSpec("unix:///run/orders.sock")}, ""},
	{place{"", 0, 0, uriSpec("{scheme}://{name}.{domain}/")}, ""},
	{place{"", 80, 0, uriSpec("http://localhost:{port}")}, ""},
	{place{"h", 80, 0, uriSpec("{scheme}://{address}:{port}")}, "h:80"},
	{place{"h", 80, 0, uriSpec("{scheme}://{address}:{ssl-port}")}, "h:80"},
}

// Places that nobody can call, and what Register says of them.
var unreachable = []struct {
	place
	text string
}{
	{place{"", 0, 0, nil}, "it has neither Address nor Port"},
	{place{"", 80, 0, nil}, "it has a port and no Address"},
	{place{"", 0, 443, nil}, "it has a port and no Address"},
	{place{"h", 0, 0, nil}, "it has an Address, and neither Port nor SSLPort"},
	{place{"h", 0, 0, uriSpec("{scheme}://{address}:{port}")}, "its URISpec wants more: {scheme}://{address}:{port}"},
	{place{"", 0, 0, uriSpec("{scheme}://{address}:{port}")}, "its URISpec wants more"},
	{place{"", 0, 0, discovery.URISpec{}}, "neither Address nor Port"},
	{place{"h:80", 0, 0, nil}, `"h:80" has a port; write Address "h" and Port 80`},
	{place{"h:80", 80, 0, nil}, `"h:80" has a port`},
	{place{"[::1]:80", 80, 0, nil}, `"[::1]:80" has a port; write Address "::1" and Port 80`},
	{place{"[::1]", 80, 0, nil}, `"[::1]" has brackets`},
	{place{"http://h", 80, 0, nil}, `"http://h" is a URI`},
	{place{"http://h:80/x", 80, 0, nil}, "is a URI; it belongs into URISpec"},
	{place{"h/x", 80, 0, nil}, "neither a host name nor an IP address"},
	{place{" h", 80, 0, nil}, "neither a host name"},
	{place{"h\n", 80, 0, nil}, "neither a host name"},
	{place{"a,b", 80, 0, nil}, "neither a host name"},
	{place{"user@h", 80, 0, nil}, "neither a host name"},
	{place{"300.0.0.1", 80, 0, nil}, "neither a host name"},
	{place{"10.0.0", 80, 0, nil}, "neither a host name"},
	{place{"a..b", 80, 0, nil}, "neither a host name"},
	{place{".", 80, 0, nil}, "neither a host name"},
	{place{"1::2::3", 80, 0, nil}, "neither a host name"},
	{place{"h:80", 0, 0, uriSpec("unix:///run/orders.sock")}, "has a port"},
}

// Register and Update take what can be called and nothing else, and say what is missing.
func TestOnlyWhatCanBeCalledIsRegistered(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		_, reg := w.registry("a")
		r := w.register(reg, instance("one"))
		for _, c := range unreachable {
			_, err := reg.Register(t.Context(), c.at("two"))
			require.ErrorIs(t, err, discovery.ErrInvalidInstance, "%+v", c.place)
			require.ErrorIs(t, err, discovery.ErrUnreachable)
			require.ErrorContains(t, err, c.text)
			require.ErrorIs(t, r.Update(t.Context(), c.at("one")), discovery.ErrUnreachable)
		}
		assert.Equal(t, []string{"one"}, w.List(dir))
		assert.Equal(t, instance("one"), w.read(dir+"/one"))
		for _, c := range reachable {
			require.NoError(t, r.Update(t.Context(), c.at("one")), "%+v", c.place)
			assert.Equal(t, c.hostPort, r.Instance().HostPort())
			if c.hostPort != "" {
				_, _, err := net.SplitHostPort(c.hostPort)
				require.NoError(t, err)
			}
		}
	})
}

// What others have registered and nobody can call is skipped and listed, and never picked.
func TestWhatCannotBeCalledIsNeverPicked(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		_, reg := w.registry("a")
		codec := discovery.JSON[meta]()
		w.Put(dir, "")
		var bad, good []string
		write := func(id string, p place) {
			data, err := codec.Encode(p.at(id))
			require.NoError(t, err)
			w.Put(dir+"/"+id, string(data))
		}
		for i, c := range unreachable {
			id := string(rune('a' + i))
			write("bad-"+id, c.place)
			bad = append(bad, "bad-"+id)
		}
		for i, c := range reachable {
			id := string(rune('a' + i))
			write("good-"+id, c.place)
			good = append(good, "good-"+id)
		}
		w.Put(dir+"/worst", `{"name":"orders","id":"worst","address":"h","port":70000}`)
		bad = append(bad, "worst")
		svc := w.open(reg)
		assert.Equal(t, good, shown(svc))
		assert.Equal(t, good, names(picked(t, svc, 1000)))
		assert.Equal(t, bad, skips(svc.Skipped(), discovery.ErrUnreachable))
		instances, skipped, err := reg.Instances(t.Context(), "orders")
		require.NoError(t, err)
		assert.Len(t, instances, len(good))
		assert.Equal(t, bad, skips(skipped, discovery.ErrUnreachable))
		_, err = reg.Instance(t.Context(), "orders", "bad-a")
		require.ErrorIs(t, err, discovery.ErrUnreachable)

		_, any := w.registry("b", discovery.AnyAddress[meta]())
		assert.Len(t, shown(w.open(any)), len(good)+len(bad), "unless that is wanted")
		w.register(any, place{}.at("nowhere"))
		got, err := any.Instance(t.Context(), "orders", "nowhere")
		require.NoError(t, err)
		assert.Empty(t, got.HostPort(), `":0" would be this host`)
	})
}

// As Curator and Spring write them (their own defaults).
func TestInstancesOfOthersCanBeCalled(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		const uri = `{"parts":[{"value":"scheme","variable":true},{"value":"://","variable":false},{"value":"address","variable":true},` +
			`{"value":":","variable":false},{"value":"port","variable":true}]}`
		w.Put(dir+"/curator", `{"name":"orders","id":"curator","address":"10.0.0.1","port":8080,"sslPort":null,"payload":null,`+
			`"registrationTimeUTC":1700000000000,"serviceType":"DYNAMIC","uriSpec":null}`)
		w.Put(dir+"/ipv6", `{"name":"orders","id":"ipv6","address":"fe80:0:0:0:1:2:3:4%eth0","port":8080}`)
		w.Put(dir+"/ssl", `{"name":"orders","id":"ssl","address":"10.0.0.1","port":null,"sslPort":8443}`)
		w.Put(dir+"/uri", `{"name":"orders","id":"uri","address":null,"port":null,"uriSpec":{"parts":[{"value":"http://h/","variable":false}]}}`)
		w.Put(dir+"/spring", `{"name":"orders","id":"spring","address":"h","port":80,"uriSpec":`+uri+`}`)
		_, reg := w.registry("a")
		svc := w.open(reg)
		assert.Equal(t, []string{"curator", "ipv6", "spring", "ssl", "uri"}, shown(svc))
		assert.Empty(t, svc.Skipped())
		for e := range svc.Instances() {
			assert.NotEmpty(t, e.HostPort()+e.URI(nil), e.Key())
		}
	})
}
