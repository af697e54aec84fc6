package discovery_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/discovery"
)

func TestURISpec(t *testing.T) {
	in := example("p")
	secure := in
	secure.SSLPort, secure.Type = 8443, discovery.DynamicSequential
	for _, c := range []struct{ text, plain, tls string }{
		{"", "", ""},
		{"plain", "plain", "plain"},
		{"{scheme}://{address}:{port}", "http://10.0.0.1:8080", "https://10.0.0.1:8080"},
		{"{ scheme }s://{ssl-port}/{x}/{none}", "https:///given/", "httpss://8443/given/"},
		{"{name}{id}{registration-time-utc}{service-type}", "svcid-string1700000000000dynamic", "svcid-string1700000000000dynamic_sequential"},
		{"{[}a{]}", "{a}", "{a}"},
		{"a{}b{ }c", "abc", "abc"},
	} {
		spec, err := discovery.ParseURISpec(c.text)
		require.NoError(t, err, c.text)
		in.URISpec, secure.URISpec = spec, spec
		variables := map[string]string{"x": "given"}
		assert.Equal(t, c.plain, in.URI(variables), c.text)
		assert.Equal(t, c.tls, secure.URI(variables), c.text)
		again, err := discovery.ParseURISpec(spec.String())
		require.NoError(t, err)
		assert.Equal(t, in.URI(nil), (&discovery.Instance[string]{
			Name: in.Name, ID: in.ID, Address: in.Address, Port: in.Port, RegistrationTime: in.RegistrationTime, URISpec: again}).URI(nil))
	}
	in.URISpec, _ = discovery.ParseURISpec("{port}")
	assert.Equal(t, "1", in.URI(map[string]string{"port": "1"}), "what is given comes first")
	assert.Empty(t, (&discovery.Instance[string]{Name: "x"}).URI(nil))
	assert.Equal(t, "10.0.0.1:8080", secure.HostPort())
	secure.Port = 0
	assert.Equal(t, "10.0.0.1:8443", secure.HostPort())
}

func TestURISpecErrors(t *testing.T) {
	for _, text := range []string{"{", "}", "a}", "{a", "{a{b}}", "{a{b}", "{{a}}", "a{b}c}", "{a}{"} {
		_, err := discovery.ParseURISpec(text)
		assert.Error(t, err, text)
	}
}
