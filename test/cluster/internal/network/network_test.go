package network

import (
	"io"
	"net"
	"os"
	"os/exec"
	"syscall"
	"testing"
)

// TestMain runs the tests again inside namespaces of their own, where they are
// root and alone.
func TestMain(m *testing.M) {
	if os.Getenv("INSIDE") != "" {
		os.Exit(m.Run())
	}
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Env = append(os.Environ(), "INSIDE=1")
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET,
		UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}},
	}
	if err := cmd.Run(); err != nil {
		_, _ = io.WriteString(os.Stderr, "in namespaces of its own: "+err.Error()+"\n")
		os.Exit(1)
	}
}

func TestPodsReachEachOtherAndTheNode(t *testing.T) {
	if err := SetupNode(); err != nil {
		t.Fatal(err)
	}
	pods := NewPods()
	a, err := pods.Create()
	if err != nil {
		t.Fatal(err)
	}
	b, err := pods.Create()
	if err != nil {
		t.Fatal(err)
	}
	if a.IP == b.IP {
		t.Fatalf("both pods got %s", a.IP)
	}
	// Both serve on the same port of every address: their networks are their own.
	for _, p := range []*Pod{a, b} {
		if err := p.Do(func() error { return serve(t, p.IP.String()) }); err != nil {
			t.Fatal(err)
		}
	}
	onNode := func(f func() error) error { return f() }
	for _, from := range []struct {
		name string
		do   func(func() error) error
		to   *Pod
	}{{"node", onNode, a}, {"node", onNode, b}, {"a", a.Do, b}, {"b", b.Do, a}, {"a", a.Do, a}} {
		var answer string
		err := from.do(func() error {
			conn, err := net.Dial("tcp", from.to.IP.String()+":8080")
			if err != nil {
				return err
			}
			defer conn.Close()
			data, err := io.ReadAll(conn)
			answer = string(data)
			return err
		})
		if err != nil || answer != from.to.IP.String() {
			t.Errorf("from %s to %s: %q, %v", from.name, from.to.IP, answer, err)
		}
	}
	first := a.IP
	a.Close()
	if c, err := pods.Create(); err != nil || c.IP == first {
		t.Errorf("the next pod got %v, %v; an address must rest before it is used again", c, err)
	}
}

// serve answers every connection with name.
func serve(t *testing.T, name string) error {
	listener, err := net.Listen("tcp", ":8080")
	if err != nil {
		return err
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(conn, name)
			_ = conn.Close()
		}
	}()
	return nil
}
