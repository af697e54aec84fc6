package zktest_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/internal/jute"
	"github.com/docent-zk/docent/zktest"
)

func TestCounts(t *testing.T) {
	onBoth(t, zktest.Config{}, func(w *world) {
		a, b := w.join("a"), w.join("b")
		before, beforeA := w.srv.Counts(), w.srv.ClientCounts("a")
		require.Equal(w, map[zktest.Op]int64{zktest.OpConnect: 2}, before.Requests)
		require.EqualValues(w, 2, before.Accepted)
		require.EqualValues(w, 2, before.Sessions)

		require.Zero(w, w.ask(a, zktest.OpCreate, creating("/x", "", 0)))
		require.NotZero(w, w.ask(a, zktest.OpCreate, creating("/x", "", 0)), "failures count")
		require.Zero(w, w.ask(b, zktest.OpGetData, &jute.PathWatchRequest{Path: "/x", Watch: true}))
		require.Zero(w, w.ask(b, zktest.OpAddWatch, &jute.PathInt32Request{Path: "/x"}))
		a.callXid(-2, zktest.OpPing, "", joined{}, nil)
		require.Zero(w, w.ask(a, zktest.OpSetData, setting("/x", "", -1)))
		w.event(b, "DataChanged /x")

		total := w.srv.Counts().Sub(before)
		require.EqualValues(w, 5, total.RoundTrips())
		require.EqualValues(w, 3, total.Writes())
		require.EqualValues(w, 3, total.Watches)
		require.EqualValues(w, 1, total.Events)
		require.EqualValues(w, 0, total.Accepted)
		mine := w.srv.ClientCounts("a").Sub(beforeA)
		require.Equal(w, map[zktest.Op]int64{zktest.OpCreate: 2, zktest.OpSetData: 1, zktest.OpPing: 1 + mine.Requests[zktest.OpPing] - 1}, mine.Requests)
		require.Zero(w, mine.Events)
		require.EqualValues(w, 1, w.srv.SessionCounts(b.id).Events)
		require.EqualValues(w, 2, w.srv.SessionCounts(b.id).RoundTrips())

		id := b.id
		require.Zero(w, w.ask(b, zktest.OpCloseSession, joined{}))
		require.EqualValues(w, 3, w.srv.SessionCounts(id).RoundTrips(), "counts outlive the session")
		require.Zero(w, w.srv.SessionCounts(77).RoundTrips())
		require.Zero(w, w.srv.ClientCounts("nobody").RoundTrips())
		require.NotNil(w, w.srv.ClientCounts("nobody").Sub(before).Requests)
	})
}

func TestInspection(t *testing.T) {
	onBoth(t, zktest.Config{Endpoints: 2}, func(w *world) {
		a := w.joinAt("a", 1, 7*time.Second)
		require.Zero(w, w.ask(a, zktest.OpAddWatch, &jute.PathInt32Request{Path: "/", Value: 1}))
		path, err := w.srv.Create("/d", []byte("one"), zktest.Persistent)
		require.NoError(w, err)
		require.Equal(w, "/d", path)
		w.event(a, "Created /d")
		require.NoError(w, w.srv.Set("/d", []byte("three")))
		w.event(a, "DataChanged /d")
		data, stat, err := w.srv.Get("/d")
		require.NoError(w, err)
		require.Equal(w, "three", string(data))
		data[0] = 'x' // a copy
		data, _, err = w.srv.Get("/d")
		require.NoError(w, err)
		require.Equal(w, "three", string(data))
		require.EqualValues(w, 1, stat.Version)
		require.EqualValues(w, 5, stat.DataLength)
		path, err = w.srv.CreateFor(a.id, "/d/e", nil, zktest.EphemeralSequential)
		require.NoError(w, err)
		require.Equal(w, "/d/e0000000000", path)
		w.event(a, "Created /d/e0000000000")
		_, err = w.srv.Create("/d/c", []byte{}, zktest.Container)
		require.NoError(w, err)
		w.event(a, "Created /d/c")

		names, err := w.srv.Children("/d")
		require.NoError(w, err)
		require.Equal(w, []string{"c", "e0000000000"}, names)
		dump := w.srv.Dump()
		require.Len(w, dump, 4)
		require.Equal(w, zktest.Ephemeral, dump["/d/e0000000000"].Mode)
		require.Equal(w, a.id, dump["/d/e0000000000"].Stat.EphemeralOwner)
		require.Nil(w, dump["/d/e0000000000"].Data)
		require.Equal(w, zktest.Container, dump["/d/c"].Mode)
		require.NotNil(w, dump["/d/c"].Data)

		sessions := w.srv.Sessions()
		require.Len(w, sessions, 1)
		require.Equal(w, a.id, sessions[0].ID)
		require.Equal(w, 7*time.Second, sessions[0].Timeout)
		require.Equal(w, []string{"/d/e0000000000"}, sessions[0].Ephemerals)
		require.Equal(w, 1, sessions[0].Conn.Endpoint)
		conns := w.srv.Conns()
		require.Len(w, conns, 1)
		require.Equal(w, a.conn.LocalAddr().String(), conns[0].Addr.String())

		require.NoError(w, w.srv.Delete("/d/c"))
		w.event(a, "Deleted /d/c")
		require.True(w, w.srv.Exists("/d"))
		require.False(w, w.srv.Exists("/d/c"))
		require.EqualValues(w, 6, w.srv.Zxid(), "a session, three creates, a set, a delete")
	})
}

func TestChildrenComeInNoUsefulOrder(t *testing.T) {
	inBubble(t, zktest.Config{}, func(w *world) {
		a := w.join("a")
		for range 4 {
			require.Zero(w, w.ask(a, zktest.OpCreate, creating("/zookeeper/c", "", 2)))
		}
		require.NoError(w, w.srv.Delete("/zookeeper/c0000000001"))
		a.post(zktest.OpGetChildren, &jute.PathWatchRequest{Path: "/zookeeper"})
		d := jute.NewDecoder(a.read())
		new(jute.ReplyHeader).Decode(d)
		require.Equal(w, []string{"c0000000002", "c0000000003", "c0000000000", "config", "quota"}, d.Strings())
	})
}

func TestInspectionFailsWithTheProtocolsErrors(t *testing.T) {
	inBubble(t, zktest.Config{}, func(w *world) {
		_, err := w.srv.Create("/a/b", nil, zktest.Persistent)
		require.ErrorIs(w, err, zktest.ErrNoNode)
		require.EqualError(w, err, `zktest: create "/a/b": zookeeper: no such node (-101)`)
		_, err = w.srv.Create("/zookeeper", nil, zktest.Persistent)
		require.ErrorIs(w, err, zktest.ErrNodeExists)
		_, err = w.srv.Create("/e", nil, zktest.Ephemeral)
		require.ErrorIs(w, err, zktest.ErrSessionExpired)
		_, err = w.srv.CreateFor(0, "/e", nil, zktest.Ephemeral)
		require.ErrorIs(w, err, zktest.ErrSessionExpired)
		_, err = w.srv.Create("/t", nil, zktest.PersistentTTL)
		require.ErrorIs(w, err, zktest.ErrBadArguments)
		require.ErrorIs(w, w.srv.Set("/a", nil), zktest.ErrNoNode)
		require.ErrorIs(w, w.srv.Delete("/zookeeper"), zktest.ErrBadArguments)
		_, err = w.srv.Children("/a")
		require.ErrorIs(w, err, zktest.ErrNoNode)
		_, _, err = w.srv.Get("/a")
		require.ErrorIs(w, err, zktest.ErrNoNode)
	})
}

func TestDirectAccessNeedsNoPermission(t *testing.T) {
	inBubble(t, zktest.Config{}, func(w *world) {
		a := w.join("a")
		require.Zero(w, w.ask(a, zktest.OpCreate, &jute.CreateRequest{Path: "/locked", ACL: []jute.ACL{acl(1, "digest", "x:y")}}))
		require.Equal(w, zktest.ErrNoAuth, w.ask(a, zktest.OpSetData, setting("/locked", "", -1)))
		require.NoError(w, w.srv.Set("/locked", []byte("x")))
		_, err := w.srv.Create("/locked/k", nil, zktest.Persistent)
		require.NoError(w, err)
		require.NoError(w, w.srv.Delete("/locked/k"))
	})
}

func TestNames(t *testing.T) {
	require.Equal(t, "getData", zktest.OpGetData.String())
	require.Equal(t, "op(77)", zktest.Op(77).String())
	require.Equal(t, "zookeeper: error (-77)", zktest.ErrCode(-77).Error())
	require.Equal(t, "event(9)", zktest.EventType(9).String())
	require.Equal(t, "DataChanged", zktest.EventDataChanged.String())
	require.Equal(t, "EphemeralSequential", zktest.EphemeralSequential.String())
	require.Equal(t, "mode(-1)", zktest.Mode(-1).String())
}
