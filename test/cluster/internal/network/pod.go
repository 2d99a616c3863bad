package network

import (
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"sync"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/haldane-dev/haldane/test/cluster/internal/layout"
)

// gateway is the pods' next hop. It exists in no interface: pods hold a fixed
// neighbour entry for it that leads to their end of the node.
var gateway = net.IPv4(169, 254, 1, 1)

// Pods hands out addresses and network namespaces.
type Pods struct {
	mu   sync.Mutex
	next netip.Addr
	used map[netip.Addr]bool
}

// NewPods starts with the first address after the node's own network.
func NewPods() *Pods {
	first := netip.MustParseAddr("10.77.1.1")
	return &Pods{next: first, used: map[netip.Addr]bool{}}
}

// Pod is one pod's network namespace.
type Pod struct {
	IP     netip.Addr
	handle netns.NsHandle
	pods   *Pods
}

// Create makes a namespace whose only ways out are its loopback interface and
// the node. The caller closes it.
func (p *Pods) Create() (*Pod, error) {
	ip, err := p.allocate()
	if err != nil {
		return nil, err
	}
	handle, err := newNamespace()
	if err != nil {
		p.free(ip)
		return nil, fmt.Errorf("make a network namespace: %w", err)
	}
	pod := &Pod{IP: ip, handle: handle, pods: p}
	if err := pod.connect(); err != nil {
		pod.Close()
		return nil, fmt.Errorf("connect %s to the node: %w", ip, err)
	}
	return pod, nil
}

// Close frees the address and lets the namespace go; its interfaces vanish
// with the last process in it.
func (p *Pod) Close() {
	_ = p.handle.Close()
	if link, err := netlink.LinkByName(p.link()); err == nil {
		_ = netlink.LinkDel(link)
	}
	p.pods.free(p.IP)
}

// Do calls f on a thread inside the pod's namespace: sockets opened and
// processes started by f belong to the pod.
func (p *Pod) Do(f func() error) error {
	return inNamespace(func() (netns.NsHandle, error) { return p.handle, netns.Set(p.handle) }, f)
}

func (p *Pod) link() string {
	b := p.IP.As4()
	return fmt.Sprintf("pod%d.%d", b[2], b[3])
}

// connect joins the namespace to the node by a veth pair. Neighbour entries
// are fixed on both ends, so no address resolution is ever waited for.
func (p *Pod) connect() error {
	outer := &netlink.Veth{
		LinkAttrs:     netlink.LinkAttrs{Name: p.link(), MTU: 65000},
		PeerName:      "eth0",
		PeerNamespace: netlink.NsFd(p.handle),
	}
	if err := netlink.LinkAdd(outer); err != nil {
		return fmt.Errorf("make the link: %w", err)
	}
	node, err := netlink.LinkByName(p.link())
	if err != nil {
		return fmt.Errorf("find the link's outer end: %w", err)
	}
	inside, err := netlink.NewHandleAt(p.handle)
	if err != nil {
		return fmt.Errorf("look inside: %w", err)
	}
	defer inside.Close()
	eth0, err := inside.LinkByName("eth0")
	if err != nil {
		return fmt.Errorf("find the link's inner end: %w", err)
	}
	ip := net.IP(p.IP.AsSlice())
	if err := setupInside(inside, eth0, node.Attrs().HardwareAddr, ip); err != nil {
		return err
	}
	if err := netlink.LinkSetUp(node); err != nil {
		return fmt.Errorf("start the outer end: %w", err)
	}
	if err := netlink.NeighSet(neighbour(node, ip, eth0.Attrs().HardwareAddr)); err != nil {
		return fmt.Errorf("set the outer neighbour: %w", err)
	}
	return netlink.RouteReplace(&netlink.Route{
		LinkIndex: node.Attrs().Index, Dst: host(ip), Scope: netlink.SCOPE_LINK, Src: net.ParseIP(layout.NodeIP),
	})
}

func setupInside(in *netlink.Handle, eth0 netlink.Link, nodeMAC net.HardwareAddr, ip net.IP) error {
	lo, err := in.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("find the pod's loopback interface: %w", err)
	}
	for _, link := range []netlink.Link{lo, eth0} {
		if err := in.LinkSetUp(link); err != nil {
			return fmt.Errorf("start %s in the pod: %w", link.Attrs().Name, err)
		}
	}
	if err := in.AddrAdd(eth0, &netlink.Addr{IPNet: host(ip)}); err != nil {
		return fmt.Errorf("give the pod its address: %w", err)
	}
	if err := in.NeighSet(neighbour(eth0, gateway, nodeMAC)); err != nil {
		return fmt.Errorf("set the pod's gateway: %w", err)
	}
	index := eth0.Attrs().Index
	if err := in.RouteAdd(&netlink.Route{LinkIndex: index, Dst: host(gateway), Scope: netlink.SCOPE_LINK}); err != nil {
		return fmt.Errorf("route to the pod's gateway: %w", err)
	}
	everything := &net.IPNet{IP: net.IPv4zero, Mask: net.CIDRMask(0, 32)}
	if err := in.RouteAdd(&netlink.Route{LinkIndex: index, Dst: everything, Gw: gateway}); err != nil {
		return fmt.Errorf("set the pod's default route: %w", err)
	}
	return nil
}

func neighbour(link netlink.Link, ip net.IP, mac net.HardwareAddr) *netlink.Neigh {
	return &netlink.Neigh{
		LinkIndex: link.Attrs().Index, State: netlink.NUD_PERMANENT, Family: unix.AF_INET, IP: ip, HardwareAddr: mac,
	}
}

// allocate walks through the range rather than taking the lowest free address,
// so that an address is not used again while clients may still remember it.
func (p *Pods) allocate() (netip.Addr, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for range 1 << 16 {
		ip := p.next
		p.next = ip.Next()
		if !layout.PodNetwork.Contains(p.next) {
			p.next = netip.MustParseAddr("10.77.1.1")
		}
		if last := ip.As4()[3]; last == 0 || last == 255 || p.used[ip] {
			continue
		}
		p.used[ip] = true
		return ip, nil
	}
	return netip.Addr{}, fmt.Errorf("no free pod address in %s", layout.PodNetwork)
}

func (p *Pods) free(ip netip.Addr) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.used, ip)
}

func newNamespace() (netns.NsHandle, error) {
	var made netns.NsHandle
	enter := func() (h netns.NsHandle, err error) { made, err = netns.New(); return made, err }
	err := inNamespace(enter, func() error { return nil })
	return made, err
}

// inNamespace calls f on a thread that enter has moved to another network
// namespace. A thread that cannot be moved back is not used again: it ends
// with the goroutine that is locked to it.
func inNamespace(enter func() (netns.NsHandle, error), f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		home, err := netns.Get()
		if err != nil {
			done <- err
			return
		}
		defer home.Close()
		if _, err = enter(); err == nil {
			err = f()
		}
		if netns.Set(home) == nil {
			runtime.UnlockOSThread()
		}
		done <- err
	}()
	return <-done
}
