package discovery_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/discovery"
)

const springClass = "org.springframework.cloud.zookeeper.discovery.ZookeeperInstance"

// spring is what a Spring application has registered with the payload.
func spring(payload string) string {
	return `{"name":"orders","id":"id-string","address":"10.0.0.1","port":8080,"sslPort":null,"payload":` + payload +
		`,"registrationTimeUTC":1700000000000,"serviceType":"DYNAMIC","uriSpec":` + spec + `}`
}

func springInstance(p discovery.SpringInstance) discovery.Instance[discovery.SpringInstance] {
	in := example(p)
	in.Name = "orders"
	in.URISpec, _ = discovery.ParseURISpec("{scheme}://{address}:{port}")
	return in
}

func TestSpringInstances(t *testing.T) {
	up := springInstance(discovery.SpringInstance{ID: "application-1", Name: "orders", Metadata: map[string]string{"instance_status": "UP", "zone": "a"}})
	roundTrip(t, discovery.Spring(), up,
		spring(`{"@class":"`+springClass+`","id":"application-1","name":"orders","metadata":{"instance_status":"UP","zone":"a"}}`))
	down := springInstance(discovery.SpringInstance{ID: "application-1", Name: "orders", Metadata: map[string]string{"instance_status": "OUT_OF_SERVICE"}})
	down.Disabled = true
	roundTrip(t, discovery.Spring(), down,
		spring(`{"@class":"`+springClass+`","id":"application-1","name":"orders","metadata":{"instance_status":"OUT_OF_SERVICE"}}`))
}

func TestSpringFillsInWhatItsReadersNeed(t *testing.T) {
	in := example(discovery.SpringInstance{})
	in.Name = "orders"
	data, err := discovery.Spring().Encode(in)
	require.NoError(t, err)
	assert.Equal(t, spring(`{"@class":"`+springClass+`","id":"id-string","name":"orders","metadata":{}}`), string(data))
	in.Port = 0
	_, err = discovery.Spring().Encode(in)
	require.ErrorIs(t, err, discovery.ErrInvalidInstance)
}

// Disabled and the status in the metadata are one thing.
func TestSpringStatus(t *testing.T) {
	for _, c := range []struct {
		status   string
		disabled bool
		want     string
	}{
		{"", false, `{}`}, {"", true, `{"instance_status":"OUT_OF_SERVICE"}`},
		{"UP", true, `{"instance_status":"OUT_OF_SERVICE"}`}, {"OUT_OF_SERVICE", false, `{"instance_status":"UP"}`},
		{"DOWN", true, `{"instance_status":"DOWN"}`}, {"up", false, `{"instance_status":"up"}`},
	} {
		metadata := map[string]string{}
		if c.status != "" {
			metadata["instance_status"] = c.status
		}
		in := springInstance(discovery.SpringInstance{ID: "a", Name: "b", Metadata: metadata})
		in.Disabled = c.disabled
		data, err := discovery.Spring().Encode(in)
		require.NoError(t, err)
		assert.Equal(t, spring(`{"@class":"`+springClass+`","id":"a","name":"b","metadata":`+c.want+`}`), string(data))
		read, err := discovery.Spring().Decode(data)
		require.NoError(t, err)
		assert.Equal(t, c.disabled, read.Disabled, "%+v", c)
		assert.Equal(t, c.status, in.Payload.Metadata["instance_status"], "the caller's map is left alone")
	}
}

func TestSpringReads(t *testing.T) {
	c := discovery.Spring()
	in, err := c.Decode([]byte(spring(`null`)))
	require.NoError(t, err)
	assert.Equal(t, springInstance(discovery.SpringInstance{}), in)
	in, err = c.Decode([]byte(spring(`{"metadata":{"a":1,"b":null},"name":"n","more":[]}`)))
	require.NoError(t, err)
	assert.Equal(t, discovery.SpringInstance{Name: "n", Metadata: map[string]string{"a": "1", "b": ""}}, in.Payload)
	for _, data := range []string{
		``, spring(`"text"`), spring(`3`), spring(`["a",{}]`), spring(`{"@class":"com.example.Other"}`), spring(`{"metadata":[]}`),
		spring(`{"metadata":{"a":{}}}`), spring(`{"id":[]}`),
	} {
		_, err := c.Decode([]byte(data))
		assert.ErrorIs(t, err, discovery.ErrUnreadable, data)
	}
}
