package selftest

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/haldane-dev/haldane/test/cluster/clustertest"
)

// TestNothingOutlivesAKilledTest: a test that is killed cannot clean up; its
// cluster ends all the same.
func TestNothingOutlivesAKilledTest(t *testing.T) {
	if os.Getenv("VICTIM") != "" {
		c := clustertest.Start(t, clustertest.Options{})
		fmt.Println("DIR " + c.Dir())
		time.Sleep(time.Hour) // until it is killed
	}
	cmd := exec.Command("/proc/self/exe", "-test.run=^TestNothingOutlivesAKilledTest$")
	cmd.Env = append(os.Environ(), "VICTIM=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	dir := ""
	for lines := bufio.NewScanner(out); dir == "" && lines.Scan(); {
		_, _ = fmt.Sscanf(lines.Text(), "DIR %s", &dir)
		t.Log(lines.Text())
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if dir == "" {
		t.Fatal("the cluster did not start")
	}
	defer os.RemoveAll(dir)
	pid, err := os.ReadFile(filepath.Join(dir, "pid"))
	if err != nil {
		t.Fatal(err)
	}
	// The supervisor is the first process of its process namespace: with it,
	// the kernel ends all the others.
	for deadline := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		if _, err := os.Stat("/proc/" + string(pid) + "/exe"); err != nil {
			return
		} else if time.Now().After(deadline) {
			t.Fatalf("process %s is still there", pid)
		}
	}
}
