package app

import (
	"cmp"
	"fmt"
	"net"

	"github.com/haldane-dev/haldane/internal/cli"
	"github.com/haldane-dev/haldane/internal/web"
)

// DefaultAPI is where the API and the dashboard answer unless told otherwise.
const DefaultAPI = "127.0.0.1:7600"

// listen takes all addresses, so that one in use is known before anything starts.
func (l *local) listen() error {
	o := &l.options
	api := cmp.Or(o.API, DefaultAPI)
	if err := web.CheckListen(api, o.Token); err != nil {
		return cli.Usage(fmt.Errorf("--api: %w", err))
	}
	var err error
	at, field := "", "gateway"
	if f := o.Rollout.Spec.Routing.Flag; f != nil {
		at, field = f.Listen, "flag"
	} else {
		at = o.Rollout.Spec.Routing.Gateway.Listen
	}
	if l.data, err = net.Listen("tcp", at); err != nil {
		return fmt.Errorf("spec.routing.%s.listen: %w: choose another address, or end what listens there", field, err)
	}
	if b := o.Rollout.Spec.Strategy.BlueGreen; b != nil && b.Preview.Listen != "" {
		if l.preview, err = net.Listen("tcp", b.Preview.Listen); err != nil {
			return fmt.Errorf("spec.strategy.blueGreen.preview.listen: %w: choose another address, or end what listens there", err)
		}
	}
	if l.api, err = net.Listen("tcp", api); err != nil {
		return fmt.Errorf("the API's address: %w: choose another with --api, or end what listens there", err)
	}
	l.links = map[string]string{field: address(l.data), "dashboard": address(l.api)}
	if l.preview != nil {
		l.links["preview"] = address(l.preview)
	}
	return nil
}

// address is what a person on this machine types to reach l.
func address(l net.Listener) string {
	host, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		return l.Addr().String()
	}
	if ip := net.ParseIP(host); ip == nil || ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, port)
}
