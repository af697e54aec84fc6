package seqnode

import "errors"

const (
	turnBits = 8
	// MaxTurn is the largest number of a turn.
	MaxTurn = 1<<turnBits - 1
	// maxCzxid is the largest czxid that leaves room for a turn.
	maxCzxid = 1<<(63-turnBits) - 1
)

// ErrTokenRange is returned by CheckToken.
var ErrTokenRange = errors.New("the node's czxid is 2^55 or more, which leaves no room for turns in a fencing token")

// Token returns the fencing token of the n-th turn (0 to MaxTurn) of the node with a czxid. It has the turn in its
// lowest bits, so all turns of a node are smaller than the first turn of every newer node.
func Token(czxid int64, n int) int64 { return czxid<<turnBits | int64(n) }

// Czxid returns the czxid of the node that a fencing token belongs to.
func Czxid(token int64) int64 { return token >> turnBits }

// CheckToken returns ErrTokenRange if the czxid is too large for a fencing token.
func CheckToken(czxid int64) error {
	if czxid > maxCzxid {
		return ErrTokenRange
	}
	return nil
}
