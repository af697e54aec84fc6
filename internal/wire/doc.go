// Package wire is the net.Conn that docent hands to go-zookeeper. It sits
// between the driver and the socket, sees every byte of the session protocol in
// both directions, and sends docent's own requests on the same connection.
//
// The driver dials, makes the handshake, pings and closes the session. Every
// other request is a Call. The driver does not see calls, their replies, or
// watch events.
//
// # Sessions and links
//
// A Session belongs to one zk.Conn, hence to at most one ZooKeeper session: one
// epoch of the framework. The driver dials TCP connections one after another.
// Each is wrapped and is then called a link. A link lives like this:
//
//	              ConnectRequest             id as expected
//	Wrap ─▶ new ────────────────▶ asking ─────────────────────▶ open ──▶ ended
//	         │                      │  │                          ▲
//	         │ wants a second       │  │ id 0 on a resume         │ exchange of SASL made, credentials sent,
//	         │ session              │  └─────▶ parting ──▶ ended  │ calls of OnLink sent,
//	         ▼                      │ another id     (OnExpired)  │ OnEstablished called,
//	       fenced ◀─────────────────┘ (OnForeign)                 │ then the driver reads
//	                                                              │ the answer
//
// and the Session above it like this:
//
//	none ──first link opens──▶ established ──Fence, expired, foreign──▶ fenced
//	  └────────────────────────────Fence──────────────────────────────────▲
//
// Fenced is final. No request leaves after it, no reply is delivered and no
// further link is accepted, so that nothing that was meant for this session can
// run in another one. There are two exceptions. The driver reads the answer
// "your session has expired" to its end, because its own expiry event comes from
// it. And a connection on which a new session was requested, but not established,
// goes to Abandoned, which closes the session that the server has started or may
// still start.
//
// # Calls
//
// Session.Send hands calls in. Call.Wait waits for one of them:
//
//	Send ─▶ gathered ─────▶ written ──────▶ answered
//	  │      ▲    │             │  │
//	  │      │    │             │  └─ the link ends ─▶ ErrUnanswered
//	  │      │    │             │
//	  │      │    │             └─ given up ─▶ left ─▶ answered, or ErrUnanswered
//	  │      │    │
//	  │      │    └─ given up (taken back), or the link ends ─▶ ErrNotSent
//	  │      │
//	  └─▶ held back (see Kind) ─ given up, or the link ends ─▶ ErrNotSent
//
// A call is given up when the channel passed to Wait is closed, or when its
// Deadline passes. A call is then withdrawn if none of its bytes have been handed to
// the socket, and is certainly not applied. Otherwise it stays open
// until its reply comes or the link ends; Left returns the channel that reports
// this. Each call ends exactly once.
//
// Callers add their frames to one buffer per link, which the driver shares. It is
// written in chunks of at most 64 KiB. A caller
// that finds nobody writing writes the buffer itself. Frames that arrive during a
// write are gathered for the next write, which a goroutine does. A caller writes
// only while the unanswered requests of the link fit the buffer of any socket
// (smallWrite). Otherwise the goroutine does, so that a peer that reads nothing
// cannot block a caller.
//
// Some servers close the connection over a request that they do not know. A Kind
// tells wire that a call must be the only open call on its link. Calls behind it
// are held back until it is answered.
//
// # Guarantees
//
// Session:
//
//   - There is one session. The driver never sees the answer that would move it
//     from one session into another: neither after an expiry, which it survives by
//     asking for a new session, nor if the server hands out a new session
//     without being asked (ClickHouse/ClickHouse#116690).
//   - A handshake is bounded, by a third of the session timeout by default. The
//     driver alone would wait for 6.7 timeouts. Until the handshake is accepted,
//     the driver's deadlines can only shorten the bound. After that, links have
//     deadlines of their own.
//   - A ConnectRequest carries the newest zxid that the session has seen. The
//     driver would send the newest one in replies to its own requests.
//   - A session is established on a server that serves only reads (a member of an
//     ensemble that has lost its quorum) only if Options.ReadOnly accepts it, and
//     never resumed there. Replies of such a server move neither LastAnswered nor LastZxid.
//   - LastAnswered is the time at which a request was handed in that has been
//     answered since. Everything that the server knows about the session is at
//     least as fresh as that. Watch events, replies to requests that were not sent,
//     and replies to credentials do not move it. (A server answers credentials
//     without touching the session.)
//
// Order:
//
//   - Requests are written in the order in which they were handed in. The calls of
//     one Send are written with nothing between them, unless a Kind holds some of
//     them back. The calls that OnLink returns are written first on a link, behind
//     credentials.
//   - Nothing is written behind the driver's closeSession.
//   - Replies and events are processed one at a time, in the order in which they
//     came. The callbacks of a reply return before the next frame is looked at.
//
// Attribution:
//
//   - A reply that is malformed, or longer than MaxFrame, fails the call that it
//     answers and no other. A reply that is too long is read and dropped. If
//     that takes longer than a third of the session timeout, the link ends as well.
//   - When a link ends, calls that were not written end with ErrNotSent. Calls of
//     which a byte may have been written end with ErrUnanswered. Both errors wrap
//     the reason why the link ended. If the server closed it, the reason is
//     ErrHungUp.
//   - When a write fails, the replies that have already come are read first, for
//     as long as the grace of a lost reply.
//   - What the server sends cannot panic the driver, and cannot make wire allocate
//     more than a small multiple of what has arrived.
//
// # Lost replies
//
// A server answers the requests of a connection in order. (The replies to
// credentials are an exception; wire does not count them.) So when a reply comes,
// the replies to all earlier requests have come, or are lost. Pings count too: on
// an idle link a lost reply is noticed after a third of the session timeout. The
// reply to a ping is an exception, because pings are all alike: the reply to the
// next ping is taken for it, and the reply to the next call shows that it is lost.
// Until then, LastAnswered is a ping older than it could be.
//
// A reply is overtaken when a later one comes first. It then has a grace of 100 ms,
// or a twentieth of the session timeout if that is shorter. If it has not come by
// then, the link ends with ErrReplyLost, which names the request. If it does come,
// the server answers out of turn. This is logged once, and overtaken replies are no
// longer a reason to end a link of this Session.
//
// # Deadlines
//
// Four deadlines end an open link. T is the session timeout.
//
//	nothing arrives, of anything                       2/3 T   ErrSilent
//	the peer does not take 64 KiB                      2/3 T   a timeout of the write
//	the oldest request is not answered                     T   ErrNoReply
//	an overtaken reply does not come                  100 ms   ErrReplyLost
//
// The third one starts when the request is handed in, or when the reply before it
// came. Bytes of a reply that is arriving start it again, so a long reply
// on a slow line does not end the link. Session.Arriving reports such a reply.
// Events do not count, except while the oldest request is a setWatches, whose
// reply comes behind the events that the watches have missed. On a server that
// answers out of turn they do not count then either. On such a server, and when the
// reply is overtaken, bytes of other replies do not count.
//
// In a process that was stopped, deadlines pass before what has arrived meanwhile is
// read. So before the first and the third deadline end a link, there is time to
// read it.
//
// # Callbacks
//
// Decode, Answered and Options.OnEvent, OnAnswered and OnRegress run in the goroutine in
// which the driver reads, and so do the callbacks of the handshake. Call.Over runs
// there too if a reply has come. If the call was taken back, Over runs in Wait. If the link has
// ended, it runs in the goroutine that ended the link, which may be the caller of
// Fence or Break, the caller of Send, a writer or a timer. No lock of this package is held, except
// for the methods of Kind. Callbacks must not block, and may call any method of the Session
// but Wait on a call of the same link.
//
// # Assumptions
//
// The driver has at most one reader and one writer per link at a time and makes
// the handshake before it starts either, as go-zookeeper 1.0.4 does. Close, the
// deadlines, Break and Fence may come from any goroutine.
//
// A link has a goroutine while there is more to write than its callers may write
// themselves, and Abandoned has one for each connection. Wire starts no others.
// Timers of a link stop with it.
package wire
