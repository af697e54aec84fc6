package realzk

import (
	"fmt"
	"os"
	"syscall"
)

// reserve takes n free ports, each by binding a socket that never listens. The
// kernel gives such a port to nobody who asks for any port, refuses connections
// to it, and lets others bind it by number because both sides set SO_REUSEADDR
// (socket(7): allowed unless a socket on it is listening).
func reserve(n int) ([]*port, error) {
	ports := make([]*port, 0, n)
	for range n {
		p, err := reserveOne()
		if err != nil {
			releaseAll(ports)
			return nil, fmt.Errorf("realzk: reserving a port: %w", err)
		}
		ports = append(ports, p)
	}
	return ports, nil
}

func reserveOne() (*port, error) {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	hold := os.NewFile(uintptr(fd), "reserved port")
	number, err := bindAny(fd)
	if err != nil {
		_ = hold.Close()
		return nil, err
	}
	return &port{number: number, hold: hold}, nil
}

func bindAny(fd int) (int, error) {
	if err := syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1); err != nil {
		return 0, os.NewSyscallError("setsockopt", err)
	}
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return 0, os.NewSyscallError("bind", err)
	}
	bound, err := syscall.Getsockname(fd)
	if err != nil {
		return 0, os.NewSyscallError("getsockname", err)
	}
	addr, ok := bound.(*syscall.SockaddrInet4)
	if !ok {
		return 0, fmt.Errorf("bound to an address of type %T", bound)
	}
	return addr.Port, nil
}
