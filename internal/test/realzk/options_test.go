package realzk

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestDefaultsAreValidAndLeaveTheCallersOptionsAlone(t *testing.T) {
	given := Options{Properties: map[string]string{"a": "b"}, JavaFlags: []string{"-a"}}
	opts := given.withDefaults()
	require.NoError(t, opts.validate())
	assert.Equal(t, 200*time.Millisecond, opts.TickTime)
	assert.Equal(t, 400*time.Millisecond, opts.MinSessionTimeout)
	assert.Equal(t, time.Minute, opts.MaxSessionTimeout)
	opts.Properties["a"], opts.JavaFlags[0] = "c", "-c"
	assert.Equal(t, "b", given.Properties["a"])
	assert.Equal(t, "-a", given.JavaFlags[0])

	long := Options{MinSessionTimeout: time.Hour}.withDefaults()
	assert.NoError(t, long.validate(), "the default maximum must not fall below a given minimum")
}

func TestValidateReportsEverythingAtOnce(t *testing.T) {
	err := Options{
		TickTime:               1500 * time.Microsecond,
		MinSessionTimeout:      time.Minute,
		MaxSessionTimeout:      time.Second,
		InitLimit:              -1,
		SyncLimit:              1,
		ContainerCheckInterval: -1,
		JuteMaxBuffer:          -1,
	}.validate()
	for _, field := range []string{"TickTime", "MinSessionTimeout", "InitLimit", "ContainerCheckInterval", "JuteMaxBuffer"} {
		assert.ErrorContains(t, err, field)
	}
	_, err = startStandalone(installation{}, Options{TickTime: -1}, reserve)
	assert.ErrorContains(t, err, "TickTime")
	_, err = startEnsemble(installation{}, 3, Options{TickTime: -1}, reserve)
	assert.ErrorContains(t, err, "TickTime")
}

// Each option is looked for where it takes effect: in the running server.
func TestOptionsReachTheServer(t *testing.T) {
	dir := t.TempDir()
	s := Standalone(t, Options{
		TickTime:               50 * time.Millisecond,
		MinSessionTimeout:      300 * time.Millisecond,
		MaxSessionTimeout:      7 * time.Second,
		ContainerCheckInterval: 50 * time.Millisecond,
		JuteMaxBuffer:          5000,
		SuperDigest:            zk.DigestACL(zk.PermAll, "super", "s3cr3t")[0].ID,
		Properties:             map[string]string{"user.home": "/somewhere"},
		JavaFlags:              []string{"-Djava.io.tmpdir=/elsewhere"},
		Dir:                    dir,
	})
	assert.Equal(t, dir, filepath.Dir(s.dir.path))
	got := conf(t, s)
	assert.Equal(t, "50", got["tickTime"])
	assert.Equal(t, "300", got["minSessionTimeout"])
	assert.Equal(t, "7000", got["maxSessionTimeout"])

	conn := connect(t, s.Addr())
	t.Run("SuperDigest", func(t *testing.T) {
		_, err := conn.Create("/closed", []byte{}, 0, zk.DigestACL(zk.PermRead, "somebody", "s3cr3t"))
		require.NoError(t, err)
		_, _, err = conn.Get("/closed")
		require.ErrorIs(t, err, zk.ErrNoAuth)
		require.NoError(t, conn.AddAuth("digest", []byte("super:s3cr3t")))
		_, _, err = conn.Get("/closed")
		require.NoError(t, err)
	})
	t.Run("ContainerCheckInterval", func(t *testing.T) {
		_, err := conn.CreateContainer("/container", []byte{}, zk.FlagContainer, zk.WorldACL(zk.PermAll))
		require.NoError(t, err)
		_, err = conn.Create("/container/child", []byte{}, 0, zk.WorldACL(zk.PermAll))
		require.NoError(t, err)
		require.NoError(t, conn.Delete("/container/child", -1))
		requireGone(t, conn, "/container")
	})
	t.Run("Properties", func(t *testing.T) {
		answer, err := s.FourLetter(within(t), "envi")
		require.NoError(t, err)
		assert.Contains(t, answer, "user.home=/somewhere")
		assert.Contains(t, answer, "java.io.tmpdir=/elsewhere")
	})
	t.Run("JuteMaxBuffer", func(t *testing.T) {
		_, err := conn.Create("/small", make([]byte, 4000), 0, zk.WorldACL(zk.PermAll))
		require.NoError(t, err)
		_, err = conn.Create("/large", make([]byte, 6000), 0, zk.WorldACL(zk.PermAll))
		require.Error(t, err)
	})
}
