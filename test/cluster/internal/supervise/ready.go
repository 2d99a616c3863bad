package supervise

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
)

type readiness = func(context.Context) error

// get returns a readiness check that passes when url answers 200. It shows
// the administrator's certificate to servers that ask for one.
func (s *supervisor) get(url string) readiness {
	return func(ctx context.Context) error {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		transport := &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{
			InsecureSkipVerify: true, // loopback servers sign their own certificates
			GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
				cert, err := tls.LoadX509KeyPair(s.dir.PKI("admin.crt"), s.dir.PKI("admin.key"))
				return &cert, err
			},
		}}
		response, err := (&http.Client{Transport: transport}).Do(request)
		if err != nil {
			return err
		}
		defer response.Body.Close()
		if response.StatusCode != http.StatusOK {
			body, _ := io.ReadAll(io.LimitReader(response.Body, 2048))
			return fmt.Errorf("%s answers %s: %s", url, response.Status, body)
		}
		return nil
	}
}
