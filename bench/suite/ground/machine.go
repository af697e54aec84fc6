package ground

import (
	"context"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// Machine says where figures come from.
type Machine struct {
	Processor  string `json:"processor"`
	Processors int    `json:"processors"`
	Memory     string `json:"memory"`
	System     string `json:"system"`
	Disk       string `json:"disk"` // of the directory for fsync
	Load       string `json:"load"` // of the last minute when the benchmark began
	Go         string `json:"go"`
	Java       string `json:"java"`
	ZooKeeper  string `json:"zookeeper"`
	Etcd       string `json:"etcd"`
	Docent     string `json:"docent"`
}

// Describe looks at the machine. What cannot be found out is empty.
func Describe(ctx context.Context, dir string) Machine {
	return Machine{
		Processor:  field("/proc/cpuinfo", "model name"),
		Processors: runtime.NumCPU(),
		Memory:     field("/proc/meminfo", "MemTotal"),
		System:     firstLine(ctx, "uname", "-srm"),
		Disk:       lastLine(ctx, "df", "--output=source,fstype", dir),
		Load:       load(),
		Go:         runtime.Version(),
		Java:       firstLine(ctx, "java", "-version"),
		Etcd:       firstLine(ctx, "etcd", "--version"),
		Docent:     firstLine(ctx, "git", "describe", "--always", "--dirty", "--exclude=*"),
	}
}

func field(file, name string) string {
	text, err := os.ReadFile(file)
	if err != nil {
		return ""
	}
	for l := range strings.Lines(string(text)) {
		if key, value, ok := strings.Cut(l, ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

func load() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return ""
	}
	first, _, _ := strings.Cut(string(text), " ")
	return first
}

func output(ctx context.Context, name string, args ...string) string {
	if _, err := exec.LookPath(filepath.Clean(name)); err != nil {
		return ""
	}
	text, _ := exec.CommandContext(ctx, name, args...).CombinedOutput()
	return strings.TrimSpace(string(text))
}

func firstLine(ctx context.Context, name string, args ...string) string {
	first, _, _ := strings.Cut(output(ctx, name, args...), "\n")
	return strings.TrimSpace(first)
}

func lastLine(ctx context.Context, name string, args ...string) string {
	text := output(ctx, name, args...)
	return strings.Join(strings.Fields(text[strings.LastIndex(text, "\n")+1:]), " ")
}

// Version asks a ZooKeeper server for its version.
func Version(addr string) string {
	conn, err := net.Dial("tcp4", addr)
	if err != nil {
		return ""
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "srvr"); err != nil {
		return ""
	}
	answer, _ := io.ReadAll(conn)
	first, _, _ := strings.Cut(string(answer), "\n")
	version, _, _ := strings.Cut(strings.TrimPrefix(first, "Zookeeper version: "), "-")
	return version
}
