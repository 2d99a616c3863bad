//go:build !unix

package process

import (
	"os"
	"syscall"
)

// terminate is what there is: such systems cannot ask a process to end.
var terminate = os.Kill

func attributes() *syscall.SysProcAttr { return nil }

func signalGroup(p *os.Process, s os.Signal) error { return p.Signal(s) }
