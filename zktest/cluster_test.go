package zktest_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/internal/jute"
	"github.com/docent-zk/docent/zktest"
)

// ensemble is a cluster with raw clients.
type ensemble struct {
	*world
	*zktest.Cluster
}

// inCluster runs f with a cluster of three in a bubble: followers 0 and 1, leader 2.
func inCluster(t *testing.T, cfg zktest.Config, f func(e *ensemble)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		log := newTraceLog()
		cfg.Trace = log.add
		c, err := zktest.StartMemoryCluster(3, cfg)
		require.NoError(t, err)
		defer func() { require.NoError(t, c.Close()) }()
		require.Equal(t, 2, c.Leader())
		require.Equal(t, []int{0, 1}, c.Followers())
		f(&ensemble{newWorld(t, c.Server, log), c})
	})
}

// exists asks for a node and returns the answer's code and zxid.
func (e *ensemble) exists(r *raw, path string, watch bool) (zktest.ErrCode, int64) {
	e.Helper()
	r.post(zktest.OpExists, &jute.PathWatchRequest{Path: path, Watch: watch})
	h, event, err := r.answer()
	require.NoError(e, err)
	require.Empty(e, event)
	return zktest.ErrCode(h.Err), h.Zxid
}

// knows attaches r's session elsewhere as a client that has seen a transaction.
func (e *ensemble) knows(r *raw, zxid int64, at int) *raw {
	e.Helper()
	again := e.knock(r.name, at)
	again.send(frame(&jute.ConnectRequest{TimeOut: 30000, SessionID: r.id, Passwd: r.passwd, LastZxidSeen: zxid}))
	return again
}

func TestLaggingFollowerServesAnOlderPrefix(t *testing.T) {
	inCluster(t, zktest.Config{}, func(e *ensemble) {
		a, b := e.joinAt("a", 0, time.Minute), e.joinAt("b", 1, time.Minute)
		defer e.Lag(time.Second, 0)()
		_, before := e.exists(a, "/n", true)
		require.Zero(e, e.ask(b, zktest.OpCreate, creating("/n", "", 0)))
		code, zxid := e.exists(b, "/n", false)
		require.Zero(e, code)
		require.Equal(e, before+1, zxid)
		code, zxid = e.exists(a, "/n", false)
		require.Equal(e, zktest.ErrNoNode, code)
		require.Equal(e, before, zxid)
		require.Equal(e, 1, e.Member(0).Lag)
		ahead := e.knows(b, e.Zxid(), 0)
		e.ended(ahead)
		a.post(zktest.OpSync, &jute.PathRequest{Path: "/"})
		e.event(a, "Created /n")
		_, event, err := a.answer()
		require.NoError(e, err)
		require.Empty(e, event)
		code, _ = e.exists(a, "/n", false)
		require.Zero(e, code)
	})
}

func TestWriteThroughALaggingFollowerIsSeenByItsSession(t *testing.T) {
	inCluster(t, zktest.Config{}, func(e *ensemble) {
		a, b := e.joinAt("a", 0, time.Minute), e.joinAt("b", 1, time.Minute)
		heal := e.Lag(time.Second, 0)
		a.post(zktest.OpCreate, creating("/mine", "", 0))
		a.post(zktest.OpExists, &jute.PathWatchRequest{Path: "/mine"})
		a.post(zktest.OpCreate, creating("/mine", "", 0))
		start := time.Now()
		e.works(b)
		require.Less(e, time.Since(start), time.Second)
		for _, want := range []zktest.ErrCode{0, 0, zktest.ErrNodeExists} {
			h, _, err := a.answer()
			require.NoError(e, err)
			require.Equal(e, want, zktest.ErrCode(h.Err))
		}
		require.Greater(e, time.Since(start), 2*time.Second, "two writes, each answered when the member has it")
		heal()
		start = time.Now()
		require.Equal(e, zktest.ErrNodeExists, e.ask(a, zktest.OpCreate, creating("/mine", "", 0)))
		require.Less(e, time.Since(start), time.Second)
	})
}

func TestMovedSessionEndsItsOldConnection(t *testing.T) {
	inCluster(t, zktest.Config{}, func(e *ensemble) {
		a := e.joinAt("a", 0, time.Minute)
		moved := e.resume(a, 1)
		e.works(a) // a follower answers reads without asking
		require.Zero(e, e.ask(moved, zktest.OpCreate, creating("/e", "", 1)))
		a.post(zktest.OpCreate, creating("/no", "", 0))
		e.ended(a)
		require.False(e, e.Exists("/no"))
		last := e.resume(moved, 2)
		e.works(moved)
		e.works(last)
		again := e.resume(last, 1)
		e.ended(moved) // which is at the same member
		last.post(zktest.OpExists, root)
		e.ended(last) // the leader itself sees that the session has moved, even for reads
		require.Zero(e, e.ask(again, zktest.OpCloseSession, joined(nil)))
		e.ended(again)
		require.Empty(e, e.Sessions())
		require.False(e, e.Exists("/e"))
	})
}

func TestLossOfTheLeaderKeepsSessionsAndWhatWasCommitted(t *testing.T) {
	for name, stage := range map[string]zktest.Stage{"uncommitted": zktest.Request, "committed": zktest.Reply} {
		t.Run(name, func(t *testing.T) {
			inCluster(t, zktest.Config{}, func(e *ensemble) {
				a := e.joinAt("a", 0, time.Minute)
				old := e.Zxid()
				e.OnFrame(func(f zktest.Frame) zktest.Verdict {
					if f.Stage == stage && f.Op == zktest.OpCreate {
						e.Stop(2)
					}
					return zktest.Pass
				})
				a.post(zktest.OpCreate, creating("/n", "", 1))
				if stage == zktest.Reply { // it had left when the member closed the connection
					_, _, err := a.answer()
					require.NoError(e, err)
				}
				e.ended(a)
				require.Equal(e, -1, e.Leader())
				e.ended(e.knows(a, 0, 1)) // nobody serves while there is no leader
				time.Sleep(time.Second)
				require.Equal(e, 1, e.Leader())
				a = e.resume(a, 0)
				code, _ := e.exists(a, "/n", false)
				require.Equal(e, stage == zktest.Reply, code == 0)
				require.Zero(e, e.ask(a, zktest.OpSetData, setting("/", "x", -1)))
				require.Equal(e, old>>32+1, e.Zxid()>>32, "a new epoch")
				require.NoError(e, e.StartEndpoint(2))
				time.Sleep(time.Second)
				require.Equal(e, zktest.MemberInfo{State: zktest.Following, Zxid: e.Zxid()}, e.Member(2))
				require.Equal(e, 1, e.Leader())
			})
		})
	}
}

func TestClusterWithoutAQuorumServesNoClients(t *testing.T) {
	inCluster(t, zktest.Config{}, func(e *ensemble) {
		a := e.joinAt("a", 2, time.Second)
		e.Stop(0)
		e.works(a)
		e.Stop(1)
		e.ended(a)
		require.Equal(e, -1, e.Leader())
		time.Sleep(time.Minute)
		require.Len(e, e.Sessions(), 1, "nobody can end a session")
		e.ended(e.knows(a, 0, 2))
		require.NoError(e, e.StartEndpoint(0))
		time.Sleep(time.Second / 2)
		require.Equal(e, 2, e.Leader())
		e.works(e.resume(a, 0))
	})
}

func TestFollowerThatIsCutOffServesStaleReadsUntilItsLimit(t *testing.T) {
	inCluster(t, zktest.Config{SyncLimit: 10 * time.Second}, func(e *ensemble) {
		a, b := e.joinAt("a", 0, 3*time.Second), e.joinAt("b", 1, time.Minute)
		require.Zero(e, e.ask(a, zktest.OpCreate, creating("/a", "", 1)))
		heal := e.CutOff(0)
		for range 6 { // the member answers pings, and cannot pass them on
			time.Sleep(time.Second)
			require.Zero(e, e.ask(a, zktest.OpExists, &jute.PathWatchRequest{Path: "/a"}))
		}
		code, _ := e.exists(b, "/a", false)
		require.Equal(e, zktest.ErrNoNode, code, "the session has expired at the leader")
		require.Zero(e, e.ask(b, zktest.OpCreate, creating("/b", "", 0)))
		a.post(zktest.OpCreate, creating("/lost", "", 0))
		e.ended(a) // at the limit
		require.Equal(e, zktest.Looking, e.Member(0).State)
		e.ended(e.knows(b, 0, 0))
		e.works(b)
		heal()
		time.Sleep(time.Second)
		require.Equal(e, zktest.Following, e.Member(0).State)
		require.False(e, e.Exists("/lost"))
		require.Zero(e, e.resume(a, 0).id)
		b = e.resume(b, 0)
		code, _ = e.exists(b, "/b", false)
		require.Zero(e, code)
	})
}

func TestFollowerThatIsCutOffBrieflyContinues(t *testing.T) {
	inCluster(t, zktest.Config{SyncLimit: 10 * time.Second}, func(e *ensemble) {
		a := e.joinAt("a", 0, time.Minute)
		heal := e.CutOff(0)
		a.post(zktest.OpCreate, creating("/n", "", 0))
		e.silent(a, 5*time.Second)
		heal()
		_, _, err := a.answer()
		require.NoError(e, err)
		require.True(e, e.Exists("/n"))
	})
}

func TestLeaderThatIsCutOffIsReplaced(t *testing.T) {
	inCluster(t, zktest.Config{SyncLimit: 5 * time.Second}, func(e *ensemble) {
		a, b := e.joinAt("a", 2, time.Minute), e.joinAt("b", 0, time.Minute)
		heal := e.CutOff(2)
		e.works(a)
		a.post(zktest.OpCreate, creating("/lost", "", 0))
		e.silent(b, 4*time.Second)
		require.Equal(e, 2, e.Leader())
		e.ended(a)
		e.ended(b)
		time.Sleep(time.Second)
		require.Equal(e, 1, e.Leader())
		a = e.resume(a, 1)
		code, _ := e.exists(a, "/lost", false)
		require.Equal(e, zktest.ErrNoNode, code)
		require.Zero(e, e.ask(a, zktest.OpCreate, creating("/n", "", 0)))
		heal()
		time.Sleep(time.Second)
		require.Equal(e, zktest.Following, e.Member(2).State)
		require.Equal(e, e.Zxid(), e.Member(2).Zxid)
	})
}

func TestPausedLeaderIsReplacedAndPausedFollowerCatchesUp(t *testing.T) {
	inCluster(t, zktest.Config{}, func(e *ensemble) {
		a, b := e.joinAt("a", 2, time.Minute), e.joinAt("b", 0, time.Minute)
		e.Pause(0)
		require.Zero(e, e.ask(a, zktest.OpCreate, creating("/n", "", 0)))
		time.Sleep(100 * time.Millisecond)
		e.Resume(0)
		code, _ := e.exists(b, "/n", false)
		require.Zero(e, code)
		e.Pause(2)
		time.Sleep(2 * time.Second)
		require.Equal(e, 1, e.Leader())
		e.ended(b)
		e.works(e.resume(b, 1))
		e.Resume(2)
		e.ended(a)
		time.Sleep(time.Second)
		require.Equal(e, []int{0, 2}, e.Followers())
	})
}

func TestTreesOfMembersAreTheSame(t *testing.T) {
	inCluster(t, zktest.Config{}, func(e *ensemble) {
		heal := e.Lag(time.Minute, 0)
		a := e.joinAt("a", 2, time.Minute)
		require.Zero(e, e.ask(a, zktest.OpCreate, creating("/n", "1", 0)))
		require.Zero(e, e.ask(a, zktest.OpCreate, creating("/n/s-", "", 2)))
		require.Zero(e, e.ask(a, zktest.OpCreate, creating("/n/e", "", 1)))
		require.Zero(e, e.ask(a, zktest.OpSetData, setting("/n", "22", 0)))
		require.Zero(e, e.ask(a, zktest.OpDelete, &jute.PathInt32Request{Path: "/n/s-0000000000", Value: -1}))
		require.Zero(e, e.ask(a, zktest.OpSetACL, &jute.SetACLRequest{Path: "/n", ACL: anyone, Version: -1}))
		want := e.Dump()
		heal()
		e.Stop(1)
		e.Stop(2)
		require.NoError(e, e.StartEndpoint(1))
		time.Sleep(time.Second)
		require.Equal(e, 1, e.Leader())
		require.Equal(e, want, e.Dump())
		require.NoError(e, e.Restart(zktest.WipeState))
		time.Sleep(time.Second)
		require.Len(e, e.Dump(), 1)
		e.works(e.joinAt("b", 0, time.Minute))
	})
}

func TestClusterServesOverTCP(t *testing.T) {
	log := newTraceLog()
	c, err := zktest.StartCluster(3, zktest.Config{Trace: log.add})
	require.NoError(t, err)
	defer func() { require.NoError(t, c.Close()) }()
	e := &ensemble{newWorld(t, c.Server, log), c}
	a, b := e.joinAt("a", 0, time.Minute), e.joinAt("b", 2, time.Minute)
	heal := e.Lag(time.Hour, 0)
	require.Zero(e, e.ask(b, zktest.OpCreate, creating("/n", "", 0)))
	code, _ := e.exists(a, "/n", true)
	require.Equal(e, zktest.ErrNoNode, code)
	heal()
	e.event(a, "Created /n")
	e.Stop(2)
	e.ended(b)
	e.ended(a)
	log.until("leads epoch 2")
	e.works(e.resume(a, 1))
}
