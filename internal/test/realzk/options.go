package realzk

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Options says how servers are set up. The zero value is ready for use.
type Options struct {
	// TickTime is the server's unit of time: sessions end at whole ticks, and the
	// members of an ensemble ping each other twice per tick. Whole milliseconds.
	// Defaults to 200 ms.
	TickTime time.Duration

	// MinSessionTimeout and MaxSessionTimeout bound what a client is granted.
	// Default to 2 ticks and to one minute; the maximum is longer than ZooKeeper's
	// own 20 ticks, so that short ticks do not shorten sessions.
	MinSessionTimeout time.Duration
	MaxSessionTimeout time.Duration

	// InitLimit and SyncLimit are the ticks that a member has for joining its
	// leader, and for being heard of again. Default to 15 and 10. A paused leader
	// is often elected once more, because it still accepts connections, so that
	// its successor is found after SyncLimit, InitLimit and an election.
	InitLimit int
	SyncLimit int

	// ContainerCheckInterval is the time between two sweeps for empty containers.
	// Defaults to ZooKeeper's one minute.
	ContainerCheckInterval time.Duration

	// JuteMaxBuffer is the largest request in bytes. Defaults to ZooKeeper's 0xfffff.
	JuteMaxBuffer int

	// ReadOnlyMode makes members that have lost their quorum serve reads to clients
	// that accept it, after two seconds. They start sessions of their own, which
	// takes local sessions; these become global with their first ephemeral node.
	ReadOnlyMode bool

	// Reconfig publishes the client addresses of an ensemble's members in
	// /zookeeper/config, and lets everybody change the ensemble. Its members cannot
	// be partitioned then: they hand each other their addresses.
	Reconfig bool

	// SuperDigest is the super user, as "super:" and the base64 of the SHA-1 of
	// "super:password". Defaults to none.
	SuperDigest string

	// Secure lets a single server of Standalone listen with TLS on a second port: see
	// Server.SecureAddr. The server runs on Netty then. Where its certificate is, is left to Properties.
	Secure bool

	// Properties are further system properties of the Java process, as for
	// "zookeeper.snapCount": "1000".
	Properties map[string]string

	// JavaFlags are further flags of the Java process. They come last, so that they
	// override what makes servers small and quick to start, as "-Xmx1g" does.
	JavaFlags []string

	// Dir is the directory below which the server keeps its data. Defaults to
	// memory where the system has that.
	Dir string
}

func (o Options) withDefaults() Options {
	o.Properties, o.JavaFlags = maps.Clone(o.Properties), slices.Clone(o.JavaFlags)
	setDefault(&o.TickTime, 200*time.Millisecond)
	setDefault(&o.MinSessionTimeout, 2*o.TickTime)
	setDefault(&o.MaxSessionTimeout, max(time.Minute, o.MinSessionTimeout))
	setDefault(&o.InitLimit, 15)
	setDefault(&o.SyncLimit, 10)
	return o
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

func (o Options) validate() error {
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf("realzk: "+format, args...))
		}
	}
	check(o.TickTime > 0 && o.TickTime%time.Millisecond == 0,
		"TickTime must be a positive number of whole milliseconds, not %v", o.TickTime)
	check(o.MinSessionTimeout > 0 && o.MinSessionTimeout <= o.MaxSessionTimeout,
		"MinSessionTimeout %v must be positive and at most MaxSessionTimeout %v", o.MinSessionTimeout, o.MaxSessionTimeout)
	check(o.InitLimit > 0 && o.SyncLimit > 0,
		"InitLimit and SyncLimit must be positive, not %d and %d", o.InitLimit, o.SyncLimit)
	check(o.ContainerCheckInterval >= 0, "ContainerCheckInterval must not be negative: %v", o.ContainerCheckInterval)
	check(o.JuteMaxBuffer >= 0, "JuteMaxBuffer must not be negative: %d", o.JuteMaxBuffer)
	return errors.Join(errs...)
}

// javaArgs are the arguments of the Java process: small, quick to start, and
// without waiting for a disk, whose content no test outlives.
func (o Options) javaArgs(classpath, dir string) []string {
	args := []string{
		"-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData",
		"-Djava.awt.headless=true", "-Djava.net.preferIPv4Stack=true",
		"-Dorg.slf4j.simpleLogger.showDateTime=true",
		"-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS",
		// For distributions that log through logback, which is verbose by default.
		"-Dlogback.configurationFile=" + filepath.Join(dir, logbackFile),
	}
	properties := o.properties()
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		args = append(args, "-D"+name+"="+properties[name])
	}
	args = append(args, o.JavaFlags...)
	return append(args, "-cp", classpath,
		"org.apache.zookeeper.server.quorum.QuorumPeerMain", filepath.Join(dir, configFile))
}

func (o Options) properties() map[string]string {
	set := map[string]string{
		"zookeeper.forceSync":            "no",
		"zookeeper.extendedTypesEnabled": "true", // nodes with a time to live
		"zookeeper.preAllocSize":         "64",   // KiB of log file
		// A member that was alone for long would otherwise ask for votes only
		// once a minute.
		"zookeeper.fastleader.maxNotificationInterval": "1000",
	}
	if o.ContainerCheckInterval > 0 {
		set["znode.container.checkIntervalMs"] = milliseconds(o.ContainerCheckInterval)
	}
	if o.ReadOnlyMode {
		set["readonlymode.enabled"] = "true"
	}
	if o.JuteMaxBuffer > 0 {
		set["jute.maxbuffer"] = fmt.Sprint(o.JuteMaxBuffer)
	}
	if o.SuperDigest != "" {
		set["zookeeper.DigestAuthenticationProvider.superDigest"] = o.SuperDigest
	}
	if o.Reconfig {
		set["zookeeper.skipACL"] = "yes"
	}
	if o.Secure {
		set["zookeeper.serverCnxnFactory"] = "org.apache.zookeeper.server.NettyServerCnxnFactory"
	}
	maps.Copy(set, o.Properties)
	return set
}

// config is the text of zoo.cfg. Peers are the lines server.N=..., none for a
// single server, and that of its second port.
func (o Options) config(data string, clientPort int, peers []string) string {
	lines := []string{
		"tickTime=" + milliseconds(o.TickTime),
		"minSessionTimeout=" + milliseconds(o.MinSessionTimeout),
		"maxSessionTimeout=" + milliseconds(o.MaxSessionTimeout),
		fmt.Sprintf("initLimit=%d", o.InitLimit),
		fmt.Sprintf("syncLimit=%d", o.SyncLimit),
		"dataDir=" + filepath.ToSlash(data),
		fmt.Sprintf("clientPort=%d", clientPort),
		"clientPortAddress=" + loopback,
		"maxClientCnxns=0",
		"admin.enableServer=false",
		"4lw.commands.whitelist=*",
	}
	if o.ReadOnlyMode {
		lines = append(lines, "localSessionsEnabled=true", "localSessionsUpgradingEnabled=true")
	}
	if o.Reconfig {
		lines = append(lines, "reconfigEnabled=true")
	}
	return strings.Join(append(lines, peers...), "\n") + "\n"
}

func milliseconds(d time.Duration) string { return fmt.Sprint(d.Milliseconds()) }
