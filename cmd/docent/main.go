package main

import (
	"os"
	"os/signal"
)

func main() {
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, forwarded...)
	catchBrokenPipes()
	os.Exit(newSystem(signals).run(os.Args[1:]))
}
