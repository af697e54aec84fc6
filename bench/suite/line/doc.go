// Package line is the protocol between the benchmark and its peers. A peer is a process that runs as long as the
// benchmark. It reads commands from standard input, one in a line, and answers each with one line of JSON before it
// reads the next:
//
//	hello
//	{"text":{"version":"5.4.0","workloads":"W1 W2"}}
//	prepare W1 servers=127.0.0.1:2181 path=/bench/a
//	{}
//	run W1 200ms
//	{"ops":512,"elapsed_us":200110,"cpu_us":98000,"samples_us":[380,391,402]}
//	end W1
//	{}
//
// Words are separated by blanks, and arguments are key=value without blanks. If a command fails, the answer is an
// "error", and the peer continues. Standard error is for people. The end of standard input ends the peer.
//
// "prepare" connects and does everything that is not measured. "run" does the work for the given time, or once if the time is
// 0. "end" closes what "prepare" has opened. If a workload is prepared several times at once, a number follows its
// name, as in "set#2".
package line
