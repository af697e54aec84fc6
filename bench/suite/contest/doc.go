// Package contest lets peers do the same work in turns, and keeps what each turn has given.
//
//	case       one workload under one condition, as "uncontended lock, fsync"
//	seat       a peer in a case: prepared, with a path and perhaps a relay of its own
//	round      each seat takes one turn; the order is another one in each round
//	turn       one slice of some 200 ms, or one unit of work: its answer is kept as it came
//
// A seat whose work fails or turns out to be wrong leaves the case, with the reason in the result. The figure of a lock
// with two holders is worth nothing.
//
// A figure is never compared across rounds. What disturbs the machine meets all peers of a round, so that a ratio is made of two
// figures of the same round. What is reported is the median of these ratios, with the quartiles as their spread.
package contest
