package sessionfile

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var session = Record{ID: -0x7effffffffffff01, Password: []byte("s3cr3t \x00\xff..."), Timeout: 15 * time.Second}

func pathIn(t *testing.T) string { return filepath.Join(t.TempDir(), "session") }

// opened is closed when the test ends.
func opened(t *testing.T, path string) *File {
	t.Helper()
	f, err := Open(path)
	require.NoError(t, err)
	t.Cleanup(func() { _ = f.Close() })
	return f
}

// left is a file with a record, whose client is gone.
func left(t *testing.T) (path string) {
	t.Helper()
	path = pathIn(t)
	f := opened(t, path)
	require.NoError(t, f.Write(session))
	require.NoError(t, f.Close())
	return path
}

func TestNewFileHoldsNoSession(t *testing.T) {
	path := pathIn(t)
	_, err := opened(t, path).Read()
	assert.Equal(t, ErrEmpty, err)
	info, err := os.Stat(path)
	require.NoError(t, err)
	assert.EqualValues(t, size, info.Size(), "the space that a record needs is there")
}

func TestNextClientReadsTheLatestSession(t *testing.T) {
	path := pathIn(t)
	f := opened(t, path)
	long := Record{ID: 1, Password: bytes.Repeat([]byte{0xff}, 128), Timeout: 24 * time.Hour}
	require.NoError(t, f.Write(long))
	require.NoError(t, f.Close())
	f = opened(t, path)
	got, err := f.Read()
	require.NoError(t, err)
	assert.Equal(t, long, got)

	require.NoError(t, f.Write(session))
	require.NoError(t, f.Close())
	f = opened(t, path)
	got, err = f.Read()
	require.NoError(t, err)
	assert.Equal(t, session, got)

	require.NoError(t, f.Clear())
	require.NoError(t, f.Close())
	_, err = opened(t, path).Read()
	assert.Equal(t, ErrEmpty, err)
}

func TestPasswordThatDoesNotFit(t *testing.T) {
	path := left(t)
	f := opened(t, path)
	long := Record{ID: 1, Password: bytes.Repeat([]byte("s3cr3t"), 100), Timeout: time.Second}
	err := f.Write(long)
	require.EqualError(t, err, "the session's password has 600 bytes, which are too many")
	require.NoError(t, f.Close())
	got, err := opened(t, path).Read()
	require.NoError(t, err)
	assert.Equal(t, session, got, "the old one")
}

func TestSecondClientIsRefused(t *testing.T) {
	path := pathIn(t)
	first := opened(t, path)
	require.NoError(t, first.Write(session))
	for range 2 {
		_, err := Open(path)
		require.ErrorIs(t, err, ErrInUse)
		var named *fs.PathError
		require.ErrorAs(t, err, &named)
		assert.Equal(t, path, named.Path)
		assert.Equal(t, "lock "+path+": "+ErrInUse.Error(), err.Error())
	}
	require.NoError(t, first.Close())
	opened(t, path)
}

// A record that a crash of the machine has damaged counts for nothing, and is overwritten.
func TestDamagedRecords(t *testing.T) {
	path := left(t)
	whole, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Len(t, whole, size)
	end := bytes.IndexByte(whole, '\n') + 1
	for n := range end {
		check(t, path, whole[:n])
		check(t, path, append(bytes.Clone(whole[:n]), make([]byte, size-n)...))
		flipped := bytes.Clone(whole)
		flipped[n] ^= 1
		if n < len(magic) {
			refused(t, path, flipped)
			continue
		}
		check(t, path, flipped)
	}
	check(t, path, make([]byte, size))
	require.NoError(t, os.WriteFile(path, whole[:end], 0o600))
	got, err := opened(t, path).Read()
	require.NoError(t, err)
	assert.Equal(t, session, got, "nothing is missing")
}

// check has a file with that content opened, read and overwritten.
func check(t *testing.T, path string, content []byte) {
	t.Helper()
	require.NoError(t, os.WriteFile(path, content, 0o600))
	f, err := Open(path)
	require.NoError(t, err, "%q", content)
	_, err = f.Read()
	require.Error(t, err, "%q", content)
	require.NotContains(t, err.Error(), "s3cr3t")
	require.NoError(t, f.Write(session))
	require.NoError(t, f.Close())
	f, err = Open(path)
	require.NoError(t, err)
	got, err := f.Read()
	require.NoError(t, err)
	require.Equal(t, session, got)
	require.NoError(t, f.Close())
}

// refused has a file with that content left alone.
func refused(t *testing.T, path string, content []byte) {
	t.Helper()
	require.NoError(t, os.WriteFile(path, content, 0o600))
	_, err := Open(path)
	require.ErrorIs(t, err, ErrForeign)
	after, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(content), string(after))
}

func TestOtherContentsAreLeftAlone(t *testing.T) {
	path := pathIn(t)
	for _, content := range []string{"x", "docent", "docent-sessions\n", strings.Repeat("\x00", size+1), "root:x:0:0:root:/root:/bin/sh\n", strings.Repeat("docent-session/", 100)} {
		if content == "docent" { // a record's beginning
			check(t, path, []byte(content))
			continue
		}
		refused(t, path, []byte(content))
	}
}

// A record counts in the file that it was written to, and while the machine runs.
func TestRecordOfAnotherFileOrMachine(t *testing.T) {
	f := opened(t, left(t))
	_, err := f.Read()
	require.NoError(t, err)
	f.mark.machine = "another"
	_, err = f.Read()
	assert.Equal(t, ErrElsewhere, err)
	assert.NotEmpty(t, machine())
	assert.Equal(t, machine(), machine())
}

func TestRecordsOfOtherVersions(t *testing.T) {
	f := opened(t, left(t))
	f.content = bytes.Replace(f.content, []byte(magic+version), []byte(magic+"2"), 1)
	_, err := f.Read()
	assert.Equal(t, ErrDamaged, err)
	for _, text := range []string{
		`{"session":"0x0","password":"","timeout":"1s"}`, `{"session":"1","timeout":"0s"}`, `{"session":"x","timeout":"1s"}`, `{"session":"1","timeout":"x"}`, `[]`,
	} {
		f.content = []byte(strings.Join([]string{magic + version, sum(text), text + "\n"}, " "))
		_, err := f.Read()
		assert.Equal(t, ErrDamaged, err, text)
	}
}

func sum(text string) string { return number(checksum([]byte(text))) }

func TestPlacesWithoutASessionFile(t *testing.T) {
	dir := t.TempDir()
	for _, path := range []string{dir, filepath.Join(dir, "missing", "session"), ""} {
		_, err := Open(path)
		require.Error(t, err, path)
		var named *fs.PathError
		require.ErrorAs(t, err, &named, path)
		assert.Equal(t, path, named.Path)
	}
}

// Whatever a file holds, it is a session that is written again as it was, or none.
func FuzzDecode(f *testing.F) {
	m := mark{machine: "m", file: "f"}
	text, err := encode(session, m)
	require.NoError(f, err)
	f.Add(text)
	f.Add(text[:40])
	f.Add([]byte(magic + version + " 0 {}\n"))
	f.Add(make([]byte, size))
	f.Fuzz(func(t *testing.T, content []byte) {
		r, err := decode(content, m)
		if err != nil {
			return
		}
		again, err := encode(r, m)
		if err != nil {
			return // a password that is too long
		}
		got, err := decode(again, m)
		require.NoError(t, err)
		assert.Equal(t, r, got)
	})
}
