package framework

import (
	"context"
	"errors"
	"net"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestParseEnsemble(t *testing.T) {
	for _, c := range []struct {
		name, data string
		want       []string
		err        string
	}{
		{"of an ensemble", "server.1=zk1:2888:3888:participant;0.0.0.0:2181\nserver.2=zk2:2888:3888:observer;10.0.0.2:2182\nversion=100000000", []string{"zk1:2181", "10.0.0.2:2182"}, ""},
		{"port only", "server.1=zk1:2888:3888;2181\r\n", []string{"zk1:2181"}, ""},
		{"IPv6", "server.1=[2001:db8::1]:2888:3888:participant;[::]:2181", []string{"[2001:db8::1]:2181"}, ""},
		{"several addresses", "server.1=zk1a:2888:3888|zk1b:2889:3889:participant;2181", []string{"zk1a:2181"}, ""},
		{"no client port", "server.1=zk1:2888:3888:participant;2181\nserver.2=zk2:2888:3888:participant", nil, "server.2: it has no client port"},
		{"empty", "", nil, "it names no server"},
		{"version only", "version=0", nil, "it names no server"},
		{"not a port", "server.1=zk1:2888:3888;0.0.0.0:x", nil, "port must be a number"},
		{"no host", "server.1=;2181", nil, "has no host"},
		{"malformed address", "server.1=zk1:1:2;[::2181", nil, "is not host:port"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := parseEnsemble([]byte(c.data))
			if c.err != "" {
				require.ErrorContains(t, err, c.err)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, c.want, got)
		})
	}
}

func FuzzParseEnsemble(f *testing.F) {
	f.Add([]byte("server.1=zk1:2888:3888:participant;0.0.0.0:2181\nserver.2=[::1]:1:2;[::]:2\nversion=1"))
	f.Fuzz(func(t *testing.T, data []byte) {
		servers, err := parseEnsemble(data)
		if (err == nil) != (len(servers) > 0) {
			t.Errorf("%v and %v", servers, err)
		}
		for _, s := range servers {
			if again, err := parseServer(s); err != nil || again != s {
				t.Errorf("%q reads as %q: %v", s, again, err)
			}
		}
	})
}

func TestSRV(t *testing.T) {
	s := SRV{Name: "_zookeeper._tcp.example.org", LookupSRV: func(_ context.Context, service, proto, name string) (string, []*net.SRV, error) {
		assert.Equal(t, []string{"", "", "_zookeeper._tcp.example.org"}, []string{service, proto, name})
		return "", []*net.SRV{{Target: "zk1.example.org.", Port: 2181}, {Target: "zk2.example.org.", Port: 2182}, {Target: "."}}, nil
	}}
	servers, err := s.Servers(t.Context())
	require.NoError(t, err)
	assert.Equal(t, []string{"zk1.example.org:2181", "zk2.example.org:2182"}, servers)

	s.LookupSRV = func(context.Context, string, string, string) (string, []*net.SRV, error) {
		return "", nil, errors.New("no such name")
	}
	_, err = s.Servers(t.Context())
	require.EqualError(t, err, "service records of _zookeeper._tcp.example.org: no such name")
}

func TestParseServers(t *testing.T) {
	list, err := parseServers([]string{"a", " b:1 ", "a:2181"})
	require.NoError(t, err)
	assert.Equal(t, []string{"a:2181", "b:1"}, list)
	_, err = parseServers([]string{"a", "b:x", ""})
	require.ErrorContains(t, err, `server "b:x": port must be a number`)
	require.ErrorContains(t, err, "empty server")
	_, err = parseServers(nil)
	require.EqualError(t, err, "the list is empty")
}

// Preferred servers come first, spare ones last, and of those that have failed the one that failed first.
func TestRanksOfServers(t *testing.T) {
	h := testHosts(0, func(c *Config) { c.Prefer = func(server, _ string) bool { return server[:3] == "zkb" } })
	h.replace(list{names: []string{"zka1:1", "zkb1:1", "zka2:1", "zkb2:1"}, spare: []string{"zkb1:1", "zkc:1"}})
	for _, name := range h.names {
		h.judge(name, []string{name})
	}
	take := func(n int) (taken []string) {
		for range n {
			server, _ := h.take()
			taken = append(taken, server)
		}
		return taken
	}
	order := take(5)
	assert.ElementsMatch(t, []string{"zkb1:1", "zkb2:1"}, order[:2])
	assert.ElementsMatch(t, []string{"zka1:1", "zka2:1"}, order[2:4])
	assert.Equal(t, "zkc:1", order[4])
	assert.Equal(t, order, take(5), "in turn once all have failed")
	assert.Equal(t, []string{"zka1:1", "zka2:1", "zkb1:1", "zkb2:1"}, h.listed())
}

// A list that shrinks to nothing that is known, or grows, keeps what is known of those that stay.
func TestReplaceKeepsKnownAddresses(t *testing.T) {
	h := testHosts(3, nil)
	server, _ := h.take()
	before, after := h.replace(list{names: []string{server, "new:1"}, known: map[string][]string{"new:1": {"192.0.2.1:1", "192.0.2.2:1"}}})
	assert.Len(t, before, 3)
	assert.ElementsMatch(t, []target{{server, server}, {"new:1", "192.0.2.1:1"}, {"new:1", "192.0.2.2:1"}}, after)
	next, _ := h.take()
	assert.Equal(t, "new:1", next, "the other one was tried")
	h.replace(list{names: []string{"new:1"}})
	assert.NotContains(t, h.tried, server)
	assert.Len(t, h.known["new:1"], 2, "a name that could not be resolved keeps its addresses")
}
