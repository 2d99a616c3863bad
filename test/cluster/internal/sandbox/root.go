package sandbox

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"golang.org/x/sys/unix"
)

// own are the top-level folders a container does not share with the host.
var own = map[string]bool{"/proc": true, "/sys": true, "/dev": true, "/tmp": true, "/run": true}

// devices are what a container finds in /dev.
var devices = []string{"null", "zero", "full", "random", "urandom"}

// buildRoot puts the container's root together on the folder root: a fresh
// tmpfs with the host's top-level folders shown read-only in it. A folder in
// which something has to be mounted cannot be shown as a whole, since nothing
// may be created in the host's own: it is split, that is, made anew with each
// of its entries shown in it.
func buildRoot(root string, mounts []Mount) error {
	if err := unix.Mount("tmpfs", root, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=755"); err != nil {
		return fmt.Errorf("mount an empty root: %w", err)
	}
	b := builder{root: root, split: map[string]bool{"/": true}}
	for i, m := range mounts {
		target, err := b.resolve(m.Target)
		if err != nil {
			return err
		}
		mounts[i].Target = target
		for dir := filepath.Dir(target); dir != "/"; dir = filepath.Dir(dir) {
			b.split[dir] = true
		}
	}
	// Outer mounts first: one mount may lie inside another.
	sort.Slice(mounts, func(i, j int) bool { return mounts[i].Target < mounts[j].Target })
	if err := b.show("/", mounts); err != nil {
		return err
	}
	if err := b.system(); err != nil {
		return err
	}
	for _, m := range mounts {
		if err := b.bind(m.Source, m.Target, m.ReadOnly); err != nil {
			return fmt.Errorf("mount %s: %w", m.Target, err)
		}
	}
	return nil
}

type builder struct {
	root  string
	split map[string]bool
}

// resolve follows the host's symbolic links in the part of the path that
// exists, so that /var/run/x and /run/x are the same place.
func (b builder) resolve(target string) (string, error) {
	dir, rest := filepath.Clean("/"+target), ""
	for {
		real, err := filepath.EvalSymlinks(dir)
		if err == nil {
			return filepath.Join(real, rest), nil
		}
		if !errors.Is(err, os.ErrNotExist) {
			return "", fmt.Errorf("resolve the mount path %s: %w", target, err)
		}
		dir, rest = filepath.Dir(dir), filepath.Join(filepath.Base(dir), rest)
	}
}

// show makes the split folder dir and shows the host's entries in it.
func (b builder) show(dir string, mounts []Mount) error {
	if err := os.MkdirAll(b.root+dir, 0o755); err != nil {
		return fmt.Errorf("make %s: %w", dir, err)
	}
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	} else if err != nil {
		return fmt.Errorf("list the host's %s: %w", dir, err)
	}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		switch {
		case own[path] || covered(path, mounts):
			continue
		case e.Type()&os.ModeSymlink != 0:
			if to, err := os.Readlink(path); err == nil {
				_ = os.Symlink(to, b.root+path)
			}
		case e.IsDir() && b.split[path]:
			err = b.show(path, mounts)
		case e.IsDir() || e.Type().IsRegular():
			err = b.bind(path, path, true)
		}
		if err != nil && !errors.Is(err, unix.EACCES) {
			return fmt.Errorf("show the host's %s: %w", path, err)
		}
		err = nil
	}
	return nil
}

func covered(path string, mounts []Mount) bool {
	for _, m := range mounts {
		if m.Target == path {
			return true
		}
	}
	return false
}

// system makes what belongs to the container alone.
func (b builder) system() error {
	for dir, mode := range map[string]os.FileMode{"/tmp": 0o777 | os.ModeSticky, "/run": 0o755, "/dev/shm": 0o777, "/proc": 0o555} {
		if err := os.MkdirAll(b.root+dir, 0o755); err != nil {
			return fmt.Errorf("make %s: %w", dir, err)
		}
		if err := os.Chmod(b.root+dir, mode); err != nil {
			return fmt.Errorf("make %s: %w", dir, err)
		}
	}
	for _, d := range devices {
		if err := b.bind("/dev/"+d, "/dev/"+d, false); err != nil {
			return fmt.Errorf("show /dev/%s: %w", d, err)
		}
	}
	for name, to := range map[string]string{"fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2"} {
		if err := os.Symlink(to, b.root+"/dev/"+name); err != nil {
			return fmt.Errorf("make /dev/%s: %w", name, err)
		}
	}
	flags := uintptr(unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC)
	if err := unix.Mount("proc", b.root+"/proc", "proc", flags, ""); err != nil {
		return fmt.Errorf("mount /proc: %w", err)
	}
	return nil
}

// bind shows source at target, which it creates if need be.
func (b builder) bind(source, target string, readOnly bool) error {
	info, err := os.Stat(source)
	if err != nil {
		return err
	}
	target = b.root + target
	if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
		return err
	}
	if info.IsDir() {
		err = os.MkdirAll(target, 0o755)
	} else if _, missing := os.Lstat(target); missing != nil {
		err = os.WriteFile(target, nil, 0o644)
	}
	if err != nil {
		return err
	}
	if err := unix.Mount(source, target, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("bind %s: %w", strings.TrimPrefix(target, b.root), err)
	}
	if !readOnly {
		return nil
	}
	attr := &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}
	return unix.MountSetattr(unix.AT_FDCWD, target, unix.AT_RECURSIVE, attr)
}
