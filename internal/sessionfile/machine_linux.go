package sessionfile

import (
	"os"
	"strings"
)

// boot is drawn when the kernel starts. All containers of a machine see the same one.
func boot() string {
	id, _ := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return strings.TrimSpace(string(id))
}
