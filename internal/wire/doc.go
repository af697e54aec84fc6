// Package wire is the net.Conn that docent hands to go-zookeeper: it sits
// between the driver and the socket and sees every byte of the session
// protocol in both directions.
//
// The driver keeps to itself what a coordination framework has to know (the
// negotiated timeout, when the server last answered), trusts the network where
// it must not (claimed lengths, session ids, a server that never answers) and
// forgets a few things across reconnects. All of that can be seen and put
// right on the wire, without changing the driver.
//
// # Sessions and links
//
// A Session belongs to one zk.Conn, hence to at most one ZooKeeper session: one
// epoch of the framework. The driver dials TCP connections one after another;
// each is wrapped and then called a link. A link lives like this:
//
//	              ConnectRequest             id as expected
//	Wrap ─▶ new ────────────────▶ asking ─────────────────────▶ open ──▶ ended
//	         │                      │  │                          ▲
//	         │ wants a second       │  │ id 0 on a resume         │ credentials sent,
//	         │ session              │  └─────▶ parting ──▶ ended  │ OnEstablished called,
//	         ▼                      │ another id     (OnExpired)  │ then the driver reads
//	       fenced ◀─────────────────┘ (OnForeign)                 │ the answer
//
// and the Session above it like this:
//
//	none ──first link opens──▶ established ──Fence, expired, foreign──▶ fenced
//	  └────────────────────────────Fence──────────────────────────────────▲
//
// Fenced is final. No byte moves in either direction after it and no further
// link is accepted, so that nothing that was meant for this session can ever
// run in another one. The single exception is the answer "your session has
// expired" itself: the driver reads it to its end, because its own expiry event
// comes from it.
//
// # Guarantees
//
//   - One session. The driver never gets to see the answer that would move it
//     from one session into another: not after an expiry, which it survives by
//     asking for a new session, and not if the server hands out a new session
//     without being asked (ClickHouse/ClickHouse#116690).
//   - A handshake is bounded, by a third of the session timeout by default; the
//     driver alone would wait for 6.7 timeouts. Until it is accepted, deadlines
//     set by the driver can only shorten the bound.
//   - What the server says cannot panic the driver and cannot make it allocate
//     more than a small multiple of what has really arrived. Frames are handed
//     on whole, after the structure of the reply was checked against the
//     opcode of its request. A frame that fails the check ends the link.
//   - LastAnswered is the time at which a request was sent that has been
//     answered since: everything that the server knows about the session is at
//     least as fresh as that. It never moves on watch events, on replies to
//     requests that were not sent, and on our own credentials (a server answers
//     those without touching the session).
//   - Watches lose no event across links; see "Catching up".
//   - Each read of the socket takes all that has arrived. A reply costs no
//     allocation.
//
// # Catching up
//
// Watches belong to a link. On the next link the driver re-arms them with
// setWatches, whose relativeZxid tells the server how far the client has seen:
// a node that changed later gets its event at once. go-zookeeper fills the
// field with its lastZxid at the time it builds the request. That is wrong in
// two ways. Replies on the new link may have moved lastZxid already, and then
// the changes between the two links are passed over. And when a link dies before
// its setWatches was answered, nothing was caught up on it, yet replies on it
// have moved lastZxid all the same.
//
// So wire keeps the zxid up to which every watch is known to be caught up, and
// writes it into each setWatches. The candidate for a new value is lastZxidSeen
// of a link's ConnectRequest: at that moment the driver has processed the
// previous link to its end and all its events up to that zxid. The candidate
// replaces the old value only if that previous link was complete, which means
// that every watch had been armed on it:
//
//   - it was the first link of the session: there was nothing to re-arm; or
//   - it carried setWatches, all of them were answered without an error, the
//     latest was no longer than 64 KiB, and after that a ping was sent and answered.
//
// The length tells whether more was to come: the driver starts another frame
// when one would grow beyond 128 KiB and waits for each answer, so the first of
// two is longer than 64 KiB as long as no path is. The ping is there for a
// setWatches that the previous link left in the driver's queue: it comes out
// first on the new link and may look just like the new one, but knows nothing
// of the watches set in between. The queue is in order and the first ping leaves
// only after a third of the timeout, when the queue has long been
// drained. (A left-over whose relativeZxid is older than the link itself gives
// itself away and is not counted at all.)
//
// A setWatches that is answered with an error leaves every watch in it unarmed, on
// a link that may live for months. So the error ends the link, and from then on
// wire sends an exists for each watch in place of the setWatches, with an xid of its
// own. It compares the answers with the zxid above as a server does, hands the
// driver an event for each watch that has missed something, and the answer to its
// setWatches behind the last of them. A watch on a list of children cannot be set
// without reading the list. Its event comes in any case, and its user reads. Three
// links in a row that the server closes over a setWatches count as a refusal. An
// error that disowns the session ends the link too, and setWatches is tried again.
//
// A link without setWatches leaves the value alone, since one may have been on
// its way. An older relativeZxid than necessary costs spurious events, a newer
// one loses events, so every doubt is settled towards the older one.
//
// # Creating with a Stat
//
// The driver knows only create, whose reply is the path. With OnCreated set,
// single creates leave as create2 (same request, path and Stat in the reply;
// the driver ignores the Stat), so that the czxid of a new node costs no second
// round trip. A server that does not know create2 says "unimplemented" or just
// closes the connection, as ClickHouse Keeper does with operations it does not
// know (ClickHouse/ClickHouse#75752). Both are noticed; from then on creates go
// out unchanged and CreateStatUnsupported is true; Options.PlainCreates tells the
// next Session so.
//
// # Recursive watches
//
// The driver knows one-shot watches only. WatchTree has wire set a recursive one
// itself (addWatch, ZooKeeper 3.6) and keep it: its requests go out among the
// driver's frames, with transaction ids from -1000 downwards, and the driver does
// not see their answers. Events reach the driver as those of any watch; it finds
// no watcher for them and passes them to its event callback.
//
//	driver's goroutine:   ... | addWatch /a + the driver's frame | ...
//	                             one write, queued by WatchTree
//	next link:            handshake | credentials | addWatch /a | the driver's frames
//
// Nothing is written but by the goroutine in which the driver writes, so a request
// waits for the driver's next frame, which is a ping at the latest. Whoever waits
// for a watch has the driver send something: the server answers in order.
//
// On a new link the watches come first, ahead of whatever the driver reads. The
// server does not tell what they have missed. OnTree is called for each answer,
// in the reading goroutine, between the frames before and after it.
//
// On servers before 3.9 a one-shot watch on a path takes the place of a recursive
// one on exactly that path, and both are gone after one event (ZOOKEEPER-4466).
// Every frame of the driver that sets one there, setWatches included, is therefore
// followed by another addWatch, in the same write. Its answer counts as that of a
// new link: what happened in between may have been missed.
//
// A server that does not know addWatch answers "unimplemented" and closes the
// connection, or just closes it; after three such losses that is taken for the
// reason, unless an addWatch was ever answered. OnTreesUnsupported is called then.
//
// TreeZxid is how far such a watch is known to have told everything: to the zxid
// of the latest reply on the present link, as long as the watch is in force there
// and OnTree has been called. It is forgotten with each link, and while a request
// for the watch is unanswered.
//
// # Inquiries
//
// Ask sends a setWatches of wire's own, to learn which of some nodes have changed
// since a zxid that the caller chooses. It goes the way of the recursive watches:
// ahead of the driver's next frame, with an xid of its own, its answer hidden. The
// server tells of the changes with events ahead of the answer, which the driver
// gets, and Answered is called behind them. The watches that it leaves on the other
// nodes are unknown to the driver and end with the link; the events that come of
// them find no watcher. An inquiry is for one link: whoever asks sees that link
// break, and asks again. Nothing of it counts as catching up.
//
// # API
//
// NewSession makes a Session; Wrap turns each dialed connection into a link and
// is what the driver's zk.Dialer returns. Fence ends the session for good,
// Break only the current link. WatchTree and UnwatchTree keep recursive watches, Ask and Retract
// make inquiries. ID, Password, Timeout, LastAnswered, LastZxid, CreateStatUnsupported, TreeZxid
// and Stats may be read at any time. Everything else is a callback in Options. Callbacks run
// on the driver's own goroutines, with no lock of this package held; they must not
// block, and may call any method of the Session.
//
// # Assumptions
//
// The driver has at most one reader and one writer per link at a time and makes
// the handshake before it starts either, as go-zookeeper 1.0.4 does. Close, the
// deadlines, Break and Fence may come from any goroutine. Replies come in the
// order of the requests (the server answers only auth out of turn); others are
// matched by xid all the same. The package starts no goroutines.
package wire
