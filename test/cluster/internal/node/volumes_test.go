package node

import (
	"os"
	"path/filepath"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

func TestPublishReplacesFilesAtOnce(t *testing.T) {
	dir := t.TempDir()
	read := func(name string) string {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	if err := publish(dir, map[string]file{"a": {[]byte("1"), 0o644}, "sub/b": {[]byte("2"), 0o600}}); err != nil {
		t.Fatal(err)
	}
	open, err := os.Open(filepath.Join(dir, "..data"))
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	if read("a") != "1" || read("sub/b") != "2" {
		t.Errorf("a=%q sub/b=%q, want 1 and 2", read("a"), read("sub/b"))
	}
	if info, err := os.Stat(filepath.Join(dir, "sub/b")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("sub/b has mode %v, %v; want 0600", info.Mode(), err)
	}
	if err := publish(dir, map[string]file{"a": {[]byte("3"), 0o644}}); err != nil {
		t.Fatal(err)
	}
	if read("a") != "3" {
		t.Errorf("a=%q, want 3", read("a"))
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	versions := 0
	for _, e := range entries {
		if e.IsDir() {
			versions++
		}
	}
	if versions != 1 {
		t.Errorf("%d versions are kept, want only the last", versions)
	}
}

func TestChoose(t *testing.T) {
	data, yes := map[string][]byte{"k": []byte("v")}, true
	all, err := choose(data, nil, nil, "x", nil, nil)
	if err != nil || string(all["k"].data) != "v" {
		t.Errorf("all keys: %v, %v", all, err)
	}
	item := []corev1.KeyToPath{{Key: "missing", Path: "p"}}
	if _, err := choose(data, item, nil, "x", nil, nil); err == nil {
		t.Error("a missing key was accepted")
	}
	if files, err := choose(data, item, nil, "x", &yes, nil); err != nil || len(files) != 0 {
		t.Errorf("a missing key that is optional: %v, %v; want nothing", files, err)
	}
}
