// Package contest lets peers do the same work in turns, and records the result of each turn.
//
//	case       one workload under one condition, as "uncontended lock, fsync"
//	seat       a peer in a case: prepared, with a path and perhaps a relay of its own
//	round      each seat takes one turn; the order changes with each round
//	turn       one slice of some 200 ms, or one unit of work: its answer is kept unchanged
//
// A seat leaves the case if its work fails or its result is wrong, and the result gives the reason. The figure of a lock
// with two holders would be worthless.
//
// Figures of different rounds are never compared. A disturbance of the machine affects all peers of a round, so a ratio is made of two
// figures of the same round. The report has the median of these ratios, and the quartiles as their spread.
package contest
