package framework

import (
	"slices"
)

// When the list of servers changes, some clients have to move so that all servers have equally many again, but no more
// than necessary. A client knows its own server and both lists, so it decides at random by the rule of the Java client
// (ZOOKEEPER-1355). If the servers had equally many clients before, they have so afterwards.
//
//	the server stays, there are more servers     move to a new one with probability 1 - before/after
//	the server stays, there are not more         stay
//	the server goes, there are more servers      move to a new one
//	the server goes, there are not more          move to one that stays with probability
//	                                             stay*(before-after) / (after*(before-stay)), and to a new one otherwise

// moves returns the targets to which a client that is connected to current has to move, in the order in which they are
// tried; none if it stays. draw is a random number in [0,1). A server whose name is still listed counts as one that
// stays: its address may only be missing from an incomplete DNS answer.
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

// home returns the server of a session if each server is to have equally many sessions. A server counts the sessions
// that it begins, in the lowest bits of their ids. So sessions that began one after the other on a server have
// different homes. If only such clients use the ensemble, the numbers of sessions of all servers differ at most by the
// number of servers. Otherwise the choice is as good as random.
func home(session int64, all []target) target {
	return all[uint64(session)%uint64(len(all))]
}
