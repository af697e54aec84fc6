// Discovery shows three instances of a service, and a client that spreads its calls over them: one instance dies, one drains,
// the registry goes away, and no call is lost.
//
//	go run ./examples/discovery                     # on a ZooKeeper-protocol server inside this process
//	go run ./examples/discovery -zk host:port,...   # on a real ensemble
//
// The exit status is 0 if every step held what it shows, 1 if one did not, and 2 if the story could not be told.
package main

import "github.com/docent-zk/docent/examples/internal/stage"

func main() { stage.Main("discovery", tell) }
