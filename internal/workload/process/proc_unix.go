//go:build unix

package process

import (
	"os"
	"syscall"
)

// terminate asks a process to end.
const terminate = syscall.SIGTERM

// signalGroup signals the group that p leads.
func signalGroup(p *os.Process, s os.Signal) error {
	number, ok := s.(syscall.Signal)
	if !ok {
		return p.Signal(s)
	}
	return syscall.Kill(-p.Pid, number)
}
