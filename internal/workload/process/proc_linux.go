package process

import "syscall"

// attributes puts the command into a group of its own and has the kernel kill
// it when the thread that started it ends, which launch keeps for as long.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
