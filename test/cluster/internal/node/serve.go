package node

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/haldane-dev/haldane/test/cluster/internal/layout"
)

// serve answers what the API server passes on: kubectl logs, exec and
// port-forward. It takes the API server's own client certificate and no other.
func (a *Agent) serve() (stop func(), err error) {
	cert, err := tls.LoadX509KeyPair(a.Dir.PKI("node-server.crt"), a.Dir.PKI("node-server.key"))
	if err != nil {
		return nil, fmt.Errorf("read the node's certificate: %w", err)
	}
	ca, err := os.ReadFile(a.Dir.PKI("ca.crt"))
	if err != nil {
		return nil, fmt.Errorf("read the authority's certificate: %w", err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	listener, err := net.Listen("tcp", net.JoinHostPort(layout.NodeIP, strconv.Itoa(layout.KubeletPort)))
	if err != nil {
		return nil, fmt.Errorf("listen for the API server's requests: %w", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /containerLogs/{namespace}/{pod}/{container}", a.log)
	mux.HandleFunc("/exec/{namespace}/{pod}/{container}", a.serveExec)
	mux.HandleFunc("/portForward/{namespace}/{pod}", a.servePortForward)
	server := &http.Server{
		Handler:           onlyAPIServer(mux),
		ReadHeaderTimeout: 10 * time.Second,
		TLSConfig:         &tls.Config{Certificates: []tls.Certificate{cert}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert},
		TLSNextProto:      map[string]func(*http.Server, *tls.Conn, http.Handler){}, // streams are upgrades of HTTP/1.1
	}
	go func() { _ = server.ServeTLS(listener, "", "") }()
	return func() { _ = server.Close() }, nil
}

func onlyAPIServer(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.TLS.PeerCertificates[0].Subject.CommonName != layout.KubeletClient {
			http.Error(w, "only the API server may ask", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}
