// Package ground starts the servers of the benchmark: ZooKeeper and etcd on this machine, in memory or on a disk to which every
// write is forced. It also starts relays that add latency, count bytes, and hold back connections, and it describes the machine.
//
//	peer --> relay --> server
//
// Relays are used only if latency, bytes or broken connections are part of the measurement. Otherwise peers connect to the servers directly.
package ground
