package network

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/haldane-dev/haldane/test/cluster/internal/layout"
)

// SetupNode gives the current network namespace the node's addresses: every
// address of layout.NodeNetwork is local and can be listened on, and service
// addresses have a route, without which the kernel would refuse to send to
// them before kube-proxy's rules are asked.
func SetupNode() error {
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("find the loopback interface: %w", err)
	}
	if err := netlink.LinkSetUp(lo); err != nil {
		return fmt.Errorf("start the loopback interface: %w", err)
	}
	node := net.ParseIP(layout.NodeIP)
	if err := netlink.AddrAdd(lo, &netlink.Addr{IPNet: host(node)}); err != nil && !errors.Is(err, syscall.EEXIST) {
		return fmt.Errorf("give the node its address: %w", err)
	}
	routes := []netlink.Route{
		{LinkIndex: lo.Attrs().Index, Dst: prefix(layout.NodeNetwork), Type: unix.RTN_LOCAL, Table: unix.RT_TABLE_LOCAL, Scope: netlink.SCOPE_HOST},
		{LinkIndex: lo.Attrs().Index, Dst: prefix(layout.ServiceNetwork), Src: node},
	}
	for _, r := range routes {
		if err := netlink.RouteReplace(&r); err != nil {
			return fmt.Errorf("route %s: %w", r.Dst, err)
		}
	}
	settings := map[string]string{
		"ipv4/ip_forward":                 "1",
		"ipv4/conf/all/rp_filter":         "0", // answers from a Service come from another interface than the question went to
		"ipv4/conf/default/rp_filter":     "0",
		"ipv4/ip_unprivileged_port_start": "0",
		"ipv4/ip_local_port_range":        "10000 65000",
	}
	for name, value := range settings {
		if err := os.WriteFile("/proc/sys/net/"+name, []byte(value), 0o644); err != nil {
			return fmt.Errorf("set net/%s to %s: %w", name, value, err)
		}
	}
	return nil
}

func host(ip net.IP) *net.IPNet { return &net.IPNet{IP: ip, Mask: net.CIDRMask(32, 32)} }

func prefix(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}
