package sim

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/zktest"
)

// oddCode are answers with codes that tell nothing.
const oddCode = "odd code"

// Codes that no table knows, or that do not say whether a write was applied.
const (
	codeUnknown zktest.ErrCode = -999
	codeSystem  zktest.ErrCode = -1
)

// throttleFault has servers refuse a few requests because they are overloaded.
func throttleFault(p *Play, r *rand.Rand) Fault {
	name, n := p.client(r), 1+r.IntN(6)
	return Fault{Name: fmt.Sprintf("throttle %d requests of %s", n, name), do: func(p *Play) {
		p.answer(name, n, zktest.Request, zktest.ErrThrottled)
	}}
}

// oddCodeFault answers requests that were processed, or not, with codes that tell nothing. Reads are sent three times, so two such answers in
// a row are as many as a caller must not notice.
func oddCodeFault(p *Play, r *rand.Rand) Fault {
	name, n, stage := p.client(r), 1+r.IntN(2), zktest.Stage(r.IntN(2))
	code := []zktest.ErrCode{codeUnknown, codeSystem, zktest.ErrRequestTimeout}[r.IntN(3)]
	return Fault{Name: fmt.Sprintf("answer %d requests of %s with %d, at the %v", n, name, code, stage), do: func(p *Play) {
		p.answer(name, n, stage, code)
	}}
}

// oddlyAnswered reports whether an error comes from an answer with an odd code. docs/guarantees.md says which errors those become: the code
// itself for reads, an unknown outcome for writes.
func (p *Play) oddlyAnswered(arg any) bool {
	err, ok := arg.(error)
	if !ok || p.isCalm() || !slices.ContainsFunc(p.Faults, func(f Fault) bool { return f.Kind == oddCode }) {
		return false
	}
	var code *framework.OpError
	return errors.Is(err, framework.ErrOutcomeUnknown) || errors.As(err, &code) && strings.Contains(err.Error(), "unknown error")
}

// answer makes a code the answer to the next requests of a client.
func (p *Play) answer(client string, n int, stage zktest.Stage, code zktest.ErrCode) {
	p.healAfter(2*p.Timeout, p.w.Server.OnFrame(func(f zktest.Frame) zktest.Verdict {
		if f.Stage != stage || f.Conn.Client != client || n <= 0 {
			return zktest.Pass
		}
		switch f.Op {
		case zktest.OpConnect, zktest.OpPing, zktest.OpCloseSession:
			return zktest.Pass
		}
		n--
		return zktest.AnswerWith(code)
	}))
}

// slowHandshakeFault delays the handshakes of a client.
func slowHandshakeFault(p *Play, r *rand.Rand) Fault {
	d := time.Duration(r.Int64N(int64(p.Timeout)))
	return handshakeFault(p, r, fmt.Sprintf("delay handshakes by %v of", d), zktest.DelayBy(d))
}

// noHandshakeFault has servers close connections of a client in place of a handshake.
func noHandshakeFault(p *Play, r *rand.Rand) Fault {
	return handshakeFault(p, r, "refuse handshakes of", zktest.Cut)
}

// handshakeFault cuts a client off, so that it needs a handshake, and decides about its handshakes for a while.
func handshakeFault(p *Play, r *rand.Rand, what string, v zktest.Verdict) Fault {
	name := p.client(r)
	return p.lasting(r, what+" "+name, func(p *Play) func() {
		p.w.Server.Cut(zktest.ClientConns(name))
		return p.w.Server.OnFrame(func(f zktest.Frame) zktest.Verdict {
			if f.Op != zktest.OpConnect || f.Stage != zktest.Request || f.Conn.Client != name {
				return zktest.Pass
			}
			return v
		})
	})
}
