// Package realzk starts real Apache ZooKeeper servers for tests and benchmarks:
// single servers and ensembles, on free ports of 127.0.0.1, in about a third of
// a second each, with faults on demand.
//
// Only test files use it (and it imports neither testing nor any client). With it
// the recipes are tested on real servers, and not only on the in-process server
// of zktest.
//
// # Where ZooKeeper comes from
//
// ZooKeeper comes from ZOOKEEPER_HOME, the directory of an unpacked Apache
// distribution (lib/*.jar), or from Debian's packages zookeeper and
// libslf4j-java. The Java runtime comes from JAVA_HOME or the PATH. scripts/install-zookeeper installs the
// packages. Without them tests are skipped, unless the environment says that
// ZooKeeper must be there (CI=true or DOCENT_REQUIRE_ZOOKEEPER=1): then they
// fail. Under `go test -short` they are always skipped.
//
// # Processes
//
//	            Start                 WaitReady
//	stopped ------------> starting ---------------> serving
//	   ^                     |                       |   ^
//	   |                     | Stop, Kill      Pause |   | Resume
//	   +---------------------+                       v   |
//	   +-------------- Stop, Kill ----------------- paused
//
// Stop is SIGTERM, Kill is SIGKILL, Pause and Resume are SIGSTOP and SIGCONT. A
// server that is started again has the same port and the same data, as after a
// crash or a restart of the machine.
//
// No server outlives the tests. Each is killed when its test ends, also by a
// panic; and on Linux the kernel kills it when the test binary itself is killed
// (PR_SET_PDEATHSIG). That request belongs to the thread that forked: if Go
// ended this thread, the server would die with it. So each server has a
// goroutine that is locked to its thread, starts the process and waits for it;
// the thread cannot end before the process has. Only processes started here are
// ever signalled, each through its own handle.
//
// # Ports
//
// Ports come from the kernel (bind to port 0). On Linux a port stays reserved
// until the test ends, also while the server is down: the test holds a socket
// that is bound and does not listen. The kernel gives such a port to nobody
// else, and lets a server that asks for it by number bind as well, because both
// set SO_REUSEADDR. Elsewhere the port is free between the choice and the
// server's bind, so a server that finds it taken is started once more on others.
// This is not a retry of a test: nothing has been tested by then.
//
// # Data
//
// Each server has a directory below /dev/shm if that can be written (disk
// latency would be most of a test otherwise), else below the system's directory
// for temporary files. A directory left over by a killed test binary is removed
// by a later one; a lock on a file in it tells whether its owner lives.
//
// # Faults on the network
//
// Proxy is a TCP proxy in front of one server. It cuts, refuses, delays, throttles,
// and black-holes connections in one or both directions, without root. With OnFrame it
// also reads the frames of ZooKeeper's protocol, and drops one reply, say. Bytes that
// meet a black hole are held back and arrive after Heal, as TCP would resend
// them; those of a connection that is cut meanwhile are lost.
//
// In an Ensemble each member reaches each other member through a proxy of its
// own, for the quorum port and for the election port, so that Partition can
// take a member away from its peers while clients still reach it:
//
//	member 1 --[1>2]--> member 2
//	         <--[2>1]--
//
// The first bytes on an election connection carry the sender's own address, and
// a receiver with the larger id hangs up and dials that address. The proxy
// replaces it by the address of the proxy for the way back; without that,
// half of the election traffic would bypass the partition.
//
// # Kerberos
//
// StartKDC makes a realm and starts MIT's KDC for it, on TCP, with a database of its own that holds the principals that a test adds. Its
// krb5.conf serves clients and ZooKeeper servers. The programs are those of Debian's packages krb5-kdc, krb5-admin-server and krb5-user
// (scripts/install-zookeeper --kerberos). Without them tests are skipped, unless DOCENT_REQUIRE_KDC=1 says that they must not.
//
// # Time
//
// The default tick is 200 ms, so that the shortest session is 400 ms and a
// member notices within 2 s that its leader is paused or cut off; that one was
// killed it sees at once. Wait with Leader, LeaderOtherThan or WaitReady, which
// poll the servers, and not with a sleep.
package realzk
