package wire

// send writes one frame of the driver, changed where it has to be, and
// remembers what its reply will mean.
func (l *link) send(frame []byte) error {
	r := request{xid: int32At(frame, prefixLen), op: int32At(frame, prefixLen+4)}
	op := r.op
	if err := l.dispatch(r, frame); err != nil {
		return err
	}
	if l.s.opt.OnRequest != nil {
		l.s.opt.OnRequest(op, requestPath(op, frame))
	}
	return nil
}

// dispatch writes the frame, or what takes its place.
func (l *link) dispatch(r request, frame []byte) error {
	op := r.op
	if op == opSetWatches && l.s.rearmsSingly() {
		return l.sendSingly(r, frame)
	}
	out := l.prepare(&r, frame)
	if l.s.standing.busy.Load() {
		return l.among(r, op, frame, out)
	}
	return l.post(out, r)
}

// prepare returns the frame to write for a frame of the driver, and marks the
// request accordingly. A changed frame is a copy: the driver's bytes stay as
// they are.
func (l *link) prepare(r *request, frame []byte) []byte {
	switch {
	case r.op == opPing && r.xid == xidPing:
		r.marks = l.s.pingSent(l.watches)
	case r.op == opSetWatches && len(frame) >= relativeZxidAt+8:
		pin, m := l.s.rearmSent(l.watches, frame)
		r.marks = m
		return l.keepScratch(pinned(l.scratch, frame, pin))
	case l.s.upgrades(r.op):
		r.op, r.marks = opCreate2, markCreate2
		return l.keepScratch(upgraded(l.scratch, frame))
	}
	return frame
}

// keepScratch keeps the buffer of a changed frame for the next one, unless it
// is very long.
func (l *link) keepScratch(b []byte) []byte {
	if cap(b) <= keepBufferLen {
		l.scratch = b
	}
	return b
}
