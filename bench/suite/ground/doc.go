// Package ground starts what the benchmark runs on: ZooKeeper and etcd on this machine, in memory or on a disk with every
// write forced to it, and relays that add latency to the network, count bytes, and hold connections back. It also describes
// the machine.
//
//	peer --> relay --> server
//
// Relays are there only where latency, bytes or broken connections are part of what is measured. Elsewhere peers reach the
// servers directly.
package ground
