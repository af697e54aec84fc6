package seqnode_test

import (
	"io"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/internal/seqnode"
)

func TestGUIDOf(t *testing.T) {
	tests := map[string]string{
		seqnode.Protected(uuid, "lock-"):      uuid,
		seqnode.Protected(hex, "lock-"):       hex,
		seqnode.Protected(uuid, ""):           uuid,
		"_c_" + uuid + "--":                   uuid,
		"":                                    "",
		"_c_":                                 "",
		"_c_x":                                "",
		"_c_-":                                "",
		"_c_" + uuid:                          "", // ends too early
		"_c_" + hex:                           "",
		"_c_" + uuid + "xlock-":               "",
		"_C_" + uuid + "-lock-":               "",
		"x_c_" + uuid + "-lock-":              "",
		hex + "__lock__0000000001":            "",
		"_c_" + strings.Repeat("g", 32) + "-": "",
		"_c_" + strings.Repeat("-", 36) + "-": "",
		"_c_" + strings.Repeat("0", 36) + "-": "", // no dashes
		"_c_" + uuid[:35] + "z-lock-":         "",
		"_c_" + strings.ReplaceAll(uuid, "-", "_") + "-": "",
	}
	for name, want := range tests {
		got, ok := seqnode.GUIDOf(name)
		assert.Equal(t, want, got, name)
		assert.Equal(t, want != "", ok, name)
	}
}

// Every prefix of a protected name is what a careless hand may have created.
func TestGUIDOfAnyPrefix(t *testing.T) {
	name := seqnode.Protected(uuid, "lock-0000000001")
	for i := range len(name) {
		_, ok := seqnode.GUIDOf(name[:i])
		assert.Equal(t, i > len("_c_"+uuid), ok, name[:i])
	}
}

func TestHasGUID(t *testing.T) {
	name := seqnode.Protected(uuid, "lock-") + "0000000001"
	assert.Equal(t, "_c_"+uuid+"-lock-0000000001", name)
	assert.True(t, seqnode.HasGUID(name, uuid))
	assert.False(t, seqnode.HasGUID(name, hex))
	assert.False(t, seqnode.HasGUID(name, uuid[:35]), "a part of the GUID")
	assert.False(t, seqnode.HasGUID(name, uuid+"x"))
	assert.True(t, seqnode.HasGUID("_c_any-lock-0000000001", "any"), "a GUID is what its owner chose")
	assert.False(t, seqnode.HasGUID(name, ""))
	assert.False(t, seqnode.HasGUID("_c_-lock-", ""))
	assert.False(t, seqnode.HasGUID("_c_"+uuid, uuid), "ends too early")
	assert.False(t, seqnode.HasGUID(uuid+"-lock-", uuid))
	assert.False(t, seqnode.HasGUID("_c_-lock-", uuid), "protected by nothing")
	assert.False(t, seqnode.HasGUID("", uuid))
}

var version4 = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)

func TestNewGUID(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		guid := seqnode.NewGUID()
		require.Regexp(t, version4, guid)
		require.False(t, seen[guid])
		seen[guid] = true
		got, ok := seqnode.GUIDOf(seqnode.Protected(guid, "lock-"))
		require.True(t, ok)
		require.Equal(t, guid, got)
	}
}

func TestReadGUID(t *testing.T) {
	read := func(s string) (string, error) { return seqnode.ReadGUID(strings.NewReader(s)) }

	guid, err := read("\x00\x11\x22\x33\x44\x55\x66\x77\x88\x99\xaa\xbb\xcc\xdd\xee\xff")
	require.NoError(t, err)
	assert.Equal(t, "00112233-4455-4677-8899-aabbccddeeff", guid)

	guid, err = read(strings.Repeat("\xff", 16))
	require.NoError(t, err)
	assert.Equal(t, "ffffffff-ffff-4fff-bfff-ffffffffffff", guid)

	_, err = read("short")
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	assert.ErrorContains(t, err, "16 random bytes for a GUID")
}
