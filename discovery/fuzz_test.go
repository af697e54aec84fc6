package discovery_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/discovery"
)

// FuzzDecode reads anything: it is refused or it is an instance, and what was read from what is written is the same again.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		head + `"p"` + tail + `}`, head + `["java.lang.Long",3]` + tail + `,"enabled":false}`, `{}`, ``, `[`, `{"payload":[]}`,
		spring(`{"@class":"` + springClass + `","id":"a","name":"b","metadata":{"instance_status":"DOWN"}}`), `{"payload":["a.b",[]]}`,
		`{"port":1e99,"payload":{"@class":"java.util.X"}}`, `{"uriSpec":{"parts":[null]}}`, `{"payload":["a.b"]}`, `{"payload":[1,2]}`,
	} {
		f.Add([]byte(seed))
	}
	raw, typed, own := discovery.JSON[json.RawMessage](), discovery.JSON[any](), discovery.JSON[meta](discovery.Class("x.Y"))
	f.Fuzz(func(t *testing.T, data []byte) {
		repeat(t, raw, data)
		repeat(t, own, data)
		repeat(t, discovery.Spring(), data)
		if in, err := typed.Decode(data); err == nil {
			_, err := typed.Encode(in)
			assert.NoError(t, err)
		}
	})
}

// repeat expects that an instance which was read and written reads as what it was.
func repeat[T any](t *testing.T, c discovery.Codec[T], data []byte) {
	in, err := c.Decode(data)
	if err != nil {
		require.ErrorIs(t, err, discovery.ErrUnreadable)
		return
	}
	written, err := c.Encode(in)
	if err != nil {
		require.ErrorIs(t, err, discovery.ErrInvalidInstance)
		return
	}
	again, err := c.Decode(written)
	require.NoError(t, err)
	once, err := c.Encode(again)
	require.NoError(t, err)
	assert.Equal(t, string(written), string(once))
	assert.Equal(t, in.Disabled, again.Disabled)
}
