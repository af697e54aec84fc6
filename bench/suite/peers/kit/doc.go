// Package kit is what peers written in Go have in common: the loop that serves commands, callers that repeat an operation
// for the time of a slice and take samples of it, the processor time of the process, and checks that a lock was held by one
// only.
package kit
