// Docent is a command for ZooKeeper, for operators and for shell scripts:
//
//	docent lock /locks/nightly ./report.sh    # runs a command while it holds a lock
//	docent elect /election/cron ./cron        # runs a command while it leads
//	docent who /locks/nightly                 # shows the holder and the queue
//	docent services orders                    # shows the instances of a service
//	docent tree /app                          # shows nodes; see also ls, get, set, create, watch, rm
//	docent doctor                             # finds problems between this machine and the servers
//
// Install it with
//
//	go install github.com/docent-zk/docent/cmd/docent@latest
//
// docs/command.md shows a terminal session of each command, and lists flags, environment variables and exit codes.
//
// # Files
//
//	main.go, system.go       the process: signals, standard streams, the network
//	root.go, config.go       the command line, and the client's configuration
//	exit.go, output.go       exit codes; tables, JSON, and text that is safe on a terminal
//	nodes.go, tree.go,       commands for nodes
//	  remove.go, watch.go
//	hold.go, runner.go,      commands that run another command
//	  process*.go, bind*.go
//	who.go, hosts.go         queues, and the hosts behind sessions
//	services.go              discovery
//	doctor*.go               diagnosis
//
// It uses only public packages of docent.
package main
