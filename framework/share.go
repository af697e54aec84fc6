package framework

import (
	"slices"
)

// When the list of servers changes, some of the clients have to move so that all servers have as many of them again, and no more than are needed. A
// client knows its own server and both lists, and so it draws: this is the rule of the Java client (ZOOKEEPER-1355). With it, n servers that had
// the same number of clients before still have it afterwards.
//
//	the server stays, there are more servers     move to a new one with probability 1 - before/after
//	the server stays, there are not more         stay
//	the server goes, there are more servers      move to a new one
//	the server goes, there are not more          move to one that stays with probability
//	                                             stay*(before-after) / (after*(before-stay)), and to a new one otherwise

// moves returns where a client has to move that is connected to current, in the order in which to try; nothing if it has to stay. draw is a random
// number in [0,1). A server whose name is still listed counts as one that stays: its address may only have been left out of an answer that does
// not have all of them.
func moves(before, after []target, current target, draw float64) []target {
	in := func(list []target, t target) bool {
		return slices.ContainsFunc(list, func(o target) bool { return o.addr == t.addr })
	}
	var stay, fresh []target
	for _, t := range after {
		if in(before, t) {
			stay = append(stay, t)
		} else {
			fresh = append(fresh, t)
		}
	}
	b, a, s := float64(len(before)), float64(len(after)), float64(len(stay))
	named := slices.ContainsFunc(after, func(t target) bool { return t.server == current.server })
	switch kept := named || in(after, current); {
	case kept && (a <= b || draw >= 1-b/a):
		return nil
	case kept:
		return fresh
	case b > s && (a > b || draw >= s*(b-a)/(a*(b-s))):
		return append(fresh, stay...)
	default:
		return append(stay, fresh...)
	}
}

// home is the server of a session if each server is to have as many sessions as any other. A server counts the sessions that it begins, and that
// number is in the lowest bits of their ids. So sessions that began one after the other on a server have different homes, and the numbers of sessions
// of all servers differ by the number of servers at most, where only such clients use the ensemble. Otherwise it is as good as a draw.
func home(session int64, all []target) target {
	return all[uint64(session)%uint64(len(all))]
}
