package pki

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestServerAndClientKnowEachOther(t *testing.T) {
	dir := t.TempDir()
	a, err := NewAuthority(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Server("server", "127.0.0.1", "server.local"); err != nil {
		t.Fatal(err)
	}
	if err := a.Client("client", "jane", "admins"); err != nil {
		t.Fatal(err)
	}
	pair := func(name string) tls.Certificate {
		c, err := tls.LoadX509KeyPair(filepath.Join(dir, name+".crt"), filepath.Join(dir, name+".key"))
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	ca, err := os.ReadFile(filepath.Join(dir, "ca.crt"))
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)

	near, far := net.Pipe()
	server := tls.Server(far, &tls.Config{Certificates: []tls.Certificate{pair("server")}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert})
	client := tls.Client(near, &tls.Config{Certificates: []tls.Certificate{pair("client")}, RootCAs: pool, ServerName: "server.local"})
	go func() { _, _ = client.Write([]byte("x")); _ = client.Close() }()
	if _, err := io.ReadAll(server); err != nil {
		t.Fatal(err)
	}
	subject := server.ConnectionState().PeerCertificates[0].Subject
	if subject.CommonName != "jane" || len(subject.Organization) != 1 || subject.Organization[0] != "admins" {
		t.Errorf("the client is known as %s, want jane of admins", subject)
	}
}

func TestKubeconfigStandsForItself(t *testing.T) {
	dir := t.TempDir()
	a, err := NewAuthority(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Client("jane", "jane"); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "config")
	if err := a.Kubeconfig(path, "jane", "https://10.0.0.1", "http://127.0.0.1:1"); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if text := string(data); strings.Contains(text, dir) || !strings.Contains(text, "proxy-url: http://127.0.0.1:1") {
		t.Errorf("it names other files or not its proxy:\n%s", text)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v; it holds a key", info.Mode(), err)
	}
	if err := a.Kubeconfig(path, "nobody", "https://10.0.0.1", ""); err == nil {
		t.Error("written for someone without a certificate")
	}
}
