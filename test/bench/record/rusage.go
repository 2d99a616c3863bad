package main

import (
	"os"
	"runtime"
	"syscall"
)

// largest returns the largest resident memory of a process that has ended, in
// bytes.
func largest(p *os.ProcessState) int64 {
	u := p.SysUsage().(*syscall.Rusage)
	if runtime.GOOS == "darwin" {
		return u.Maxrss // in bytes there, in kilobytes elsewhere
	}
	return u.Maxrss << 10
}
