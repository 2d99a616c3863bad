package node

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/haldane-dev/haldane/test/cluster/internal/layout"
	"github.com/haldane-dev/haldane/test/cluster/internal/sandbox"
)

// volumeRefresh is how often volumes made of API objects are looked at again.
const volumeRefresh = 10 * time.Second

// volume is a pod's volume: a folder or file on the host.
type volume struct {
	path string
	// content returns the files of a volume made of API objects; nil for
	// other kinds.
	content func() (map[string]file, error)
}

type file struct {
	data []byte
	mode os.FileMode
}

// makeVolumes creates the pod's volumes. It is called again until it succeeds.
func (w *worker) makeVolumes() (map[string]volume, error) {
	volumes := map[string]volume{}
	for _, v := range w.pod.Spec.Volumes {
		made, err := w.makeVolume(v)
		if err != nil {
			return nil, fmt.Errorf("MountVolume.SetUp failed for volume %q : %w", v.Name, err)
		}
		volumes[v.Name] = made
	}
	return volumes, nil
}

func (w *worker) makeVolume(v corev1.Volume) (volume, error) {
	if v.HostPath != nil {
		if t := v.HostPath.Type; t != nil && *t == corev1.HostPathDirectoryOrCreate {
			return volume{path: v.HostPath.Path}, os.MkdirAll(v.HostPath.Path, 0o755)
		}
		_, err := os.Stat(v.HostPath.Path)
		return volume{path: v.HostPath.Path}, err
	}
	made := volume{path: w.agent.podDir(w.pod, "volumes", v.Name), content: w.content(v)}
	if err := makeDir(made.path); err != nil {
		return made, err
	}
	switch {
	case v.EmptyDir != nil:
		return made, os.Chmod(made.path, 0o777)
	case made.content == nil:
		return made, fmt.Errorf("volumes of this kind cannot be had on this cluster")
	}
	files, err := made.content()
	if err != nil {
		return made, err
	}
	return made, publish(made.path, files)
}

// content returns the function that reads the volume's files, or nil if they
// do not come from the API server.
func (w *worker) content(v corev1.Volume) func() (map[string]file, error) {
	switch {
	case v.ConfigMap != nil:
		s := v.ConfigMap
		return func() (map[string]file, error) {
			data, err := w.configMap(s.Name, s.Optional)
			return choose(data, s.Items, s.DefaultMode, "configmap "+s.Name, s.Optional, err)
		}
	case v.Secret != nil:
		s := v.Secret
		return func() (map[string]file, error) {
			data, err := w.secret(s.SecretName, s.Optional)
			return choose(data, s.Items, s.DefaultMode, "secret "+s.SecretName, s.Optional, err)
		}
	case v.DownwardAPI != nil:
		s := v.DownwardAPI
		return func() (map[string]file, error) { return w.downward(s.Items, s.DefaultMode) }
	case v.Projected != nil:
		tokens := &tokenCache{w: w}
		return func() (map[string]file, error) { return w.projected(v.Projected, tokens) }
	default:
		return nil
	}
}

// choose maps keys to files: the ones in items at their paths, or all of them
// under their own names.
func choose(data map[string][]byte, items []corev1.KeyToPath, mode *int32, where string, optional *bool, err error) (map[string]file, error) {
	if err != nil {
		return nil, err
	}
	files := map[string]file{}
	if len(items) == 0 {
		for key, value := range data {
			files[key] = file{value, permission(nil, mode)}
		}
	}
	for _, item := range items {
		value, ok := data[item.Key]
		if !ok {
			if optional != nil && *optional {
				continue
			}
			return nil, fmt.Errorf("%s has no key %s", where, item.Key)
		}
		files[item.Path] = file{value, permission(item.Mode, mode)}
	}
	return files, nil
}

func permission(own, all *int32) os.FileMode {
	switch {
	case own != nil:
		return os.FileMode(*own)
	case all != nil:
		return os.FileMode(*all)
	default:
		return 0o644
	}
}

func (w *worker) downward(items []corev1.DownwardAPIVolumeFile, mode *int32) (map[string]file, error) {
	files := map[string]file{}
	for _, item := range items {
		if item.FieldRef == nil {
			return nil, fmt.Errorf("the downward file %s asks for a resource, which this node does not give", item.Path)
		}
		text, err := w.field(item.FieldRef.FieldPath)
		if err != nil {
			return nil, err
		}
		files[item.Path] = file{[]byte(text), permission(item.Mode, mode)}
	}
	return files, nil
}

// publish replaces the files of a volume all at once, as the kubelet does:
// each file is a link into a folder that is itself a link, which is swapped.
func publish(dir string, files map[string]file) error {
	version := "..v" + strconv.FormatInt(time.Now().UnixNano(), 36)
	for name, f := range files {
		path := filepath.Join(dir, version, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, f.data, f.mode); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(filepath.Join(dir, version), 0o755); err != nil {
		return err
	}
	data := filepath.Join(dir, "..data")
	old, _ := os.Readlink(data)
	if err := os.Symlink(version, data+".new"); err != nil {
		return err
	}
	if err := os.Rename(data+".new", data); err != nil {
		return err
	}
	for name := range files {
		top, _, _ := strings.Cut(name, "/")
		if err := os.Symlink(filepath.Join("..data", top), filepath.Join(dir, top)); err != nil && !os.IsExist(err) {
			return err
		}
	}
	if old != "" {
		return os.RemoveAll(filepath.Join(dir, old))
	}
	return nil
}

// refreshVolumes keeps volumes made of API objects up to date until the
// containers have finished.
func (w *worker) refreshVolumes(finished chan struct{}) {
	ticker := time.NewTicker(volumeRefresh)
	defer ticker.Stop()
	for {
		select {
		case <-finished:
			return
		case <-ticker.C:
		}
		for name, v := range w.volumes {
			if v.content == nil {
				continue
			}
			files, err := v.content()
			if err == nil && !same(v.path, files) {
				err = publish(v.path, files)
			}
			if err != nil {
				w.agent.Log.Warn("refresh a volume", "pod", w.pod.Name, "volume", name, "err", err)
			}
		}
	}
}

func same(dir string, files map[string]file) bool {
	for name, f := range files {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil || string(data) != string(f.data) {
			return false
		}
	}
	return true
}

// volumeMounts are the container's views of the pod's volumes, and the files
// that tell it who and where it is.
func (c *container) volumeMounts(env environment) ([]sandbox.Mount, error) {
	mounts := []sandbox.Mount{
		{Source: c.w.agent.podDir(c.w.pod, "resolv.conf"), Target: "/etc/resolv.conf", ReadOnly: true},
		{Source: c.w.agent.podDir(c.w.pod, "hosts"), Target: "/etc/hosts", ReadOnly: true},
	}
	for _, m := range c.spec.VolumeMounts {
		v, ok := c.w.volumes[m.Name]
		if !ok {
			return nil, fmt.Errorf("the pod has no volume %q", m.Name)
		}
		source := filepath.Join(v.path, env.expand(m.SubPath+m.SubPathExpr))
		if _, err := os.Stat(source); os.IsNotExist(err) && v.content == nil {
			if err := makeDir(source); err != nil {
				return nil, err
			}
		}
		mounts = append(mounts, sandbox.Mount{Source: source, Target: m.MountPath, ReadOnly: m.ReadOnly || v.content != nil})
	}
	return mounts, nil
}

// writeNetworkFiles writes what the pod's containers find as /etc/resolv.conf
// and /etc/hosts.
func (w *worker) writeNetworkFiles() error {
	suffix := layout.ClusterDomain
	resolv := fmt.Sprintf("nameserver %s\nsearch %s.svc.%s svc.%s %s\noptions ndots:5\n",
		layout.DNSIP, w.pod.Namespace, suffix, suffix, suffix)
	if err := os.WriteFile(w.agent.podDir(w.pod, "resolv.conf"), []byte(resolv), 0o644); err != nil {
		return err
	}
	hosts := fmt.Sprintf("127.0.0.1 localhost\n%s %s\n", w.address(), w.hostname())
	for _, alias := range w.pod.Spec.HostAliases {
		hosts += alias.IP + " " + strings.Join(alias.Hostnames, " ") + "\n"
	}
	return os.WriteFile(w.agent.podDir(w.pod, "hosts"), []byte(hosts), 0o644)
}
