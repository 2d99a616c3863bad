package pki

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
)

// Kubeconfig writes the file at path with which the holder of name's
// certificate reaches server; certificates are embedded, so that the file
// stands for itself. proxy, if not empty, is the URL of an HTTP proxy on the
// way.
func (a *Authority) Kubeconfig(path, name, server, proxy string) error {
	embed := func(file string) (string, error) {
		data, err := os.ReadFile(filepath.Join(a.dir, file))
		return base64.StdEncoding.EncodeToString(data), err
	}
	ca, err := embed("ca.crt")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	cert, err := embed(name + ".crt")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	key, err := embed(name + ".key")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	via := ""
	if proxy != "" {
		via = ", proxy-url: " + proxy
	}
	text := fmt.Sprintf(`apiVersion: v1
kind: Config
current-context: test-cluster
clusters:
- {name: test-cluster, cluster: {server: %q, certificate-authority-data: %s%s}}
users:
- {name: %s, user: {client-certificate-data: %s, client-key-data: %s}}
contexts:
- {name: test-cluster, context: {cluster: test-cluster, user: %s}}
`, server, ca, via, name, cert, key, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return fmt.Errorf("write a kubeconfig: %w", err)
	}
	return nil
}
