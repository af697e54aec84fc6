package wire

// send writes one frame of the driver, and remembers what its reply answers.
func (l *link) send(frame []byte) error {
	return l.post(frame, request{xid: int32At(frame, prefixLen), op: int32At(frame, prefixLen+4)})
}
