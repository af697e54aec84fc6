// Package kit is the common part of the peers written in Go: the loop that serves commands, callers that repeat an operation
// for a slice of time and sample it, the processor time of the process, and checks that a lock had only one holder.
package kit
