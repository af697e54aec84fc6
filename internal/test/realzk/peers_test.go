package realzk

import (
	"bytes"
	"encoding/binary"
	"io"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func electionMessage(version int64, size int32, addr string) []byte {
	message := binary.BigEndian.AppendUint64(nil, uint64(version))
	message = binary.BigEndian.AppendUint64(message, 3)
	return append(appendInt32(message, size), addr...)
}

func TestRewriteElectionAddress(t *testing.T) {
	from := bytes.NewReader(append(electionMessage(electionV1, 14, "127.0.0.1:1234"), "votes"...))
	got, err := rewriteElectionAddress(from, "127.0.0.1:56789")
	require.NoError(t, err)
	assert.Equal(t, electionMessage(electionV1, 15, "127.0.0.1:56789"), got)
	rest, err := io.ReadAll(from)
	require.NoError(t, err)
	assert.Equal(t, "votes", string(rest), "what follows must be left alone")
}

func TestRewriteElectionAddressRefusesWhatItDoesNotKnow(t *testing.T) {
	for name, message := range map[string][]byte{
		"empty":            {},
		"short":            electionMessage(electionV1, 14, "")[:19],
		"other protocol":   electionMessage(3, 4, "a:1 "),
		"negative length":  electionMessage(electionV2, -1, ""),
		"huge length":      electionMessage(electionV2, 1<<30, ""),
		"address cut off":  electionMessage(electionV2, 10, "127"),
		"length is absent": electionMessage(electionV1, 0, "")[:16],
	} {
		_, err := rewriteElectionAddress(bytes.NewReader(message), "x:1")
		assert.Error(t, err, name)
	}
}

func FuzzRewriteElectionAddress(f *testing.F) {
	f.Add(electionMessage(electionV1, 14, "127.0.0.1:1234"))
	f.Add(electionMessage(electionV2, -1, ""))
	f.Fuzz(func(t *testing.T, message []byte) {
		got, err := rewriteElectionAddress(bytes.NewReader(message), "x:1")
		if err == nil {
			require.Equal(t, message[:16], got[:16])
			require.Equal(t, "\x00\x00\x00\x03x:1", string(got[16:]))
		}
	})
}

// No member knows the real address of another one, neither by its configuration
// nor from what it is told.
func TestPeersKnowEachOtherByProxiesOnly(t *testing.T) {
	p, err := newPeers(3, reserve)
	require.NoError(t, err)
	defer p.close()
	require.Len(t, p.proxies, 6)
	for member := range 3 {
		lines := p.lines(member, false)
		require.Len(t, lines, 3)
		for other, line := range lines {
			if other == member {
				assert.Contains(t, line, p.election[member].addr()[len(loopback):])
				continue
			}
			link := p.proxies[way{member, other}]
			assert.Equal(t, p.quorum[other].addr(), link.quorum.target)
			assert.Equal(t, p.election[other].addr(), link.election.target)
			back := p.proxies[way{other, member}].election.Addr()
			message, err := link.election.preamble(bytes.NewReader(electionMessage(electionV1, 0, "")))
			require.NoError(t, err)
			assert.Contains(t, string(message), back)
		}
	}
}
