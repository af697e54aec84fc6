package realzk

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func age(t *testing.T, path string) {
	t.Helper()
	old := time.Now().Add(-2 * sweepAge)
	require.NoError(t, os.Chtimes(path, old, old))
}

func TestScratchIsInTheFirstPlaceThatWorks(t *testing.T) {
	place := t.TempDir()
	file := filepath.Join(place, "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	s, err := newScratch(filepath.Join(place, "missing"), file, place)
	require.NoError(t, err)
	assert.Equal(t, place, filepath.Dir(s.path))
	require.NoError(t, s.remove())
	assert.False(t, exists(t, s.path))

	_, err = newScratch(filepath.Join(place, "missing"), file)
	assert.ErrorContains(t, err, "missing")
	assert.ErrorContains(t, err, "no directory")
}

func TestSweepRemovesOnlyWhatHasNoOwner(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux sweeps")
	}
	place := t.TempDir()
	owned, err := makeScratch(place)
	require.NoError(t, err)
	orphan, err := makeScratch(place)
	require.NoError(t, err)
	young, err := makeScratch(place)
	require.NoError(t, err)
	other := filepath.Join(place, "other")
	require.NoError(t, os.Mkdir(other, 0o755))
	require.NoError(t, orphan.lock.Close())
	require.NoError(t, young.lock.Close())
	age(t, owned.path)
	age(t, orphan.path)
	age(t, other)

	made, err := newScratch(place)
	require.NoError(t, err)
	assert.True(t, exists(t, made.path))
	assert.True(t, exists(t, owned.path), "its owner lives")
	assert.False(t, exists(t, orphan.path), "its owner has died")
	assert.True(t, exists(t, young.path), "it may not be locked yet")
	assert.True(t, exists(t, other), "not one of ours")
	require.NoError(t, made.remove())
	require.NoError(t, owned.remove())
}
