package sessionfile

import "syscall"

// boot returns an id of the kernel's boot.
func boot() string {
	id, _ := syscall.Sysctl("kern.bootsessionuuid")
	return id
}
