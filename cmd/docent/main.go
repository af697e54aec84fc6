package main

import (
	"os"
	"os/signal"
)

func main() {
	signals := make(chan os.Signal, 16)
	for _, sig := range forwarded {
		if !signal.Ignored(sig) { // as nohup(1) has SIGHUP ignored
			signal.Notify(signals, sig)
		}
	}
	catchBrokenPipes()
	os.Exit(newSystem(signals).run(os.Args[1:]))
}
