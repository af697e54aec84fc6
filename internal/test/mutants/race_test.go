//go:build race

package main

func init() {
	buildFlags = []string{"-race", "-gcflags=github.com/go-zookeeper/zk=-race=false"}
}
