// Package zktest is an in-process server that speaks ZooKeeper's client protocol, with control over faults, for tests,
// demos and simulation. It is not for production: nothing is written to disk and there is no ensemble.
package zktest
