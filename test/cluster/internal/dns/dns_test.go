package dns

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/dns/dnsmessage"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corelisters "k8s.io/client-go/listers/core/v1"
	discoverylisters "k8s.io/client-go/listers/discovery/v1"
	"k8s.io/client-go/tools/cache"
)

func zone(t *testing.T) *Zone {
	t.Helper()
	byNamespace := cache.Indexers{cache.NamespaceIndex: cache.MetaNamespaceIndexFunc}
	services := cache.NewIndexer(cache.MetaNamespaceKeyFunc, byNamespace)
	slices := cache.NewIndexer(cache.MetaNamespaceKeyFunc, byNamespace)
	no, host := false, "pod-1"
	for _, add := range []error{
		services.Add(&corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: "web", Namespace: "shop"}, Spec: corev1.ServiceSpec{ClusterIP: "10.96.0.9"}}),
		services.Add(&corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: "pods", Namespace: "shop"}, Spec: corev1.ServiceSpec{ClusterIP: corev1.ClusterIPNone}}),
		slices.Add(&discoveryv1.EndpointSlice{
			ObjectMeta: metav1.ObjectMeta{Name: "pods-x", Namespace: "shop", Labels: map[string]string{discoveryv1.LabelServiceName: "pods"}},
			Endpoints: []discoveryv1.Endpoint{
				{Addresses: []string{"10.77.1.1"}, Hostname: &host},
				{Addresses: []string{"10.77.1.2"}},
				{Addresses: []string{"10.77.1.3"}, Conditions: discoveryv1.EndpointConditions{Ready: &no}},
			},
		}),
	} {
		if add != nil {
			t.Fatal(add)
		}
	}
	return &Zone{services: corelisters.NewServiceLister(services), slices: discoverylisters.NewEndpointSliceLister(slices)}
}

func TestLookup(t *testing.T) {
	z := zone(t)
	for name, want := range map[string][]string{
		"web.shop.svc.cluster.local.":       {"10.96.0.9"},
		"WEB.shop.svc":                      {"10.96.0.9"},
		"web.shop":                          {"10.96.0.9"},
		"pods.shop.svc.cluster.local":       {"10.77.1.1", "10.77.1.2"},
		"pod-1.pods.shop.svc.cluster.local": {"10.77.1.1"},
		"pod-2.pods.shop.svc.cluster.local": nil,
		"web.other.svc.cluster.local":       nil,
		"web":                               nil,
		"www.example.com":                   nil,
	} {
		addresses, ok := z.Lookup(name)
		var got []string
		for _, a := range addresses {
			got = append(got, a.String())
		}
		if diff := cmp.Diff(want, got); diff != "" || ok != (want != nil) {
			t.Errorf("Lookup(%q), ok=%t (-want +got):\n%s", name, ok, diff)
		}
	}
}

func TestAnswer(t *testing.T) {
	z := zone(t)
	for _, test := range []struct {
		name  string
		kind  dnsmessage.Type
		want  []string
		rcode dnsmessage.RCode
	}{
		{"pods.shop.svc.cluster.local.", dnsmessage.TypeA, []string{"10.77.1.1", "10.77.1.2"}, dnsmessage.RCodeSuccess},
		{"web.shop.svc.cluster.local.", dnsmessage.TypeAAAA, nil, dnsmessage.RCodeSuccess}, // the name exists, its kind of address does not
		{"www.example.com.", dnsmessage.TypeA, nil, dnsmessage.RCodeNameError},
	} {
		question := dnsmessage.Message{
			Header:    dnsmessage.Header{ID: 7, RecursionDesired: true},
			Questions: []dnsmessage.Question{{Name: dnsmessage.MustNewName(test.name), Type: test.kind, Class: dnsmessage.ClassINET}},
		}
		packed, err := question.Pack()
		if err != nil {
			t.Fatal(err)
		}
		answer, err := z.answer(packed)
		if err != nil {
			t.Fatalf("%s: %v", test.name, err)
		}
		var reply dnsmessage.Message
		if err := reply.Unpack(answer); err != nil {
			t.Fatalf("%s: %v", test.name, err)
		}
		var got []string
		for _, r := range reply.Answers {
			got = append(got, netip.AddrFrom4(r.Body.(*dnsmessage.AResource).A).String())
		}
		if diff := cmp.Diff(test.want, got); diff != "" || reply.RCode != test.rcode || reply.ID != 7 {
			t.Errorf("%s: %v, ID %d (-want +got):\n%s", test.name, reply.RCode, reply.ID, diff)
		}
	}
	if _, err := z.answer([]byte("not a question")); err == nil {
		t.Error("noise got an answer")
	}
}
