// Package line is what the benchmark and its peers say to each other. A peer is a process that lives as long as the
// benchmark does. It reads commands from standard input, one in a line, and answers each with one line of JSON before it
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
// Words are separated by blanks, and arguments are key=value without blanks. A command that fails is answered with an
// "error", and the peer goes on. Standard error is for people. The end of standard input ends the peer.
//
// "prepare" connects and does whatever need not be measured, "run" does the work for the given time, or once if the time is
// 0, and "end" closes what "prepare" has opened. A workload that is prepared several times at once has a number behind its
// name, as in "set#2".
package line
