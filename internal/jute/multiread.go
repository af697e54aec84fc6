package jute

// ReadResult is the result of one operation of a multiRead.
type ReadResult struct {
	Op    int32    // OpGetData or OpGetChildren; -1 for an operation that failed
	Err   int32    // the error code of an operation that failed
	Data  []byte   // of getData; it aliases the decoder's buffer
	Stat  Stat     // of getData
	Names []string // of getChildren
}

// ReadResults reads the body of the reply to a multiRead of n operations. It fails if there are more results than that.
func (d *Decoder) ReadResults(n int) []ReadResult { return results(d, n, d.readResult) }

func (d *Decoder) readResult(kind int32) ReadResult {
	r := ReadResult{Op: kind}
	switch kind {
	case -1:
		r.Err = d.Int32()
	case OpGetData:
		r.Data = d.Buffer()
		r.Stat.Decode(d)
	case OpGetChildren:
		r.Names = d.Strings()
	default:
		d.fail(ErrMultiResult)
	}
	return r
}
