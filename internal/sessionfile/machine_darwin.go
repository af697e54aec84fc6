package sessionfile

import "syscall"

// boot is drawn when the kernel starts.
func boot() string {
	id, _ := syscall.Sysctl("kern.bootsessionuuid")
	return id
}
