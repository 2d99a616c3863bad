package feedback

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/haldane-dev/haldane/internal/predictionid"
)

// killPath names, to a copy of the test program, the database it is to write
// until it is killed.
const killPath = "HALDANE_TEST_FEEDBACK_DB"

func TestMain(m *testing.M) {
	if path := os.Getenv(killPath); path != "" {
		if err := writeUntilKilled(path); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

// writeUntilKilled takes labels one after the other and writes each ID to
// standard output once the label is taken.
func writeUntilKilled(path string) error {
	codec, err := predictionid.New([]byte("0123456789abcdef"))
	if err != nil {
		return err
	}
	db, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		return err
	}
	db.MaxBatchDelay = 0
	l, err := Open(db, codec, Options{Rollout: "churn", Revision: "v2", Now: func() time.Time { return start }})
	if err != nil {
		return err
	}
	claims := predictionid.Claims{Rollout: predictionid.Hash32("churn"), Revision: predictionid.Hash32("v2"), Time: start, Class: "yes"}
	for {
		claims.Nonce++
		id := string(codec.AppendEncode(nil, claims))
		it, err := Label(id, "no")
		if err != nil {
			return err
		}
		if _, err := l.Put(context.Background(), []Item{it}); err != nil {
			return err
		}
		fmt.Println(id)
	}
}

// TestKill kills a process that takes labels, at no particular moment. Every
// label that it answered for must be there, once.
func TestKill(t *testing.T) {
	w := newWorld(t)
	w.close()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), killPath+"="+w.path)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var answered []string
	for lines := bufio.NewScanner(out); lines.Scan(); {
		answered = append(answered, lines.Text())
		if len(answered) == 50 {
			if err := cmd.Process.Kill(); err != nil { // SIGKILL
				t.Fatal(err)
			}
		}
	}
	if err := cmd.Wait(); err == nil || len(answered) < 50 {
		t.Fatalf("the process ended by itself after %d labels: %v", len(answered), err)
	}
	w.open()
	before := w.sum()
	// The last may have been taken and not answered.
	if n := before.labelled; n < int64(len(answered)) || n > int64(len(answered))+1 || before.wrong != n {
		t.Errorf("%d labels were answered, %d are there, %d of them wrong", len(answered), n, before.wrong)
	}
	for _, id := range answered {
		w.expect("sent again after the kill", w.label(id, "no"), Duplicate)
	}
	if after := w.sum(); after.labelled != before.labelled {
		t.Errorf("%d labels became %d", before.labelled, after.labelled)
	}
}
