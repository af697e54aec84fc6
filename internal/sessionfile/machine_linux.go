package sessionfile

import (
	"os"
	"strings"
)

// boot returns an id of the kernel's boot, which all containers of a machine share.
func boot() string {
	id, _ := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return strings.TrimSpace(string(id))
}
