package node

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

func TestExpand(t *testing.T) {
	env := environment{"A": "1", "B": "$(A)"}
	for text, want := range map[string]string{
		"":            "",
		"plain":       "plain",
		"$(A)":        "1",
		"x$(A)y$(A)z": "x1y1z",
		"$$(A)":       "$(A)",
		"$$$(A)":      "$1",
		"$(C)":        "$(C)",
		"$(B)":        "$(A)",
		"$A costs 5$": "$A costs 5$",
		"$(A":         "$(A",
		"$(A)$(":      "1$(",
	} {
		if got := env.expand(text); got != want {
			t.Errorf("expand(%q) = %q, want %q", text, got, want)
		}
	}
}

func TestResourceFieldRoundsUp(t *testing.T) {
	c := &corev1.Container{Resources: corev1.ResourceRequirements{Limits: corev1.ResourceList{
		"cpu": resource.MustParse("1500m"), "memory": resource.MustParse("1000Ki"),
	}}}
	for _, test := range []struct{ resource, divisor, want string }{
		{"limits.cpu", "1", "2"},
		{"limits.cpu", "1m", "1500"},
		{"limits.memory", "1Mi", "1"},
		{"limits.memory", "0", "1024000"},
		{"requests.cpu", "1", "0"},
	} {
		ref := &corev1.ResourceFieldSelector{Resource: test.resource, Divisor: resource.MustParse(test.divisor)}
		if got, err := resourceField(c, ref); err != nil || got != test.want {
			t.Errorf("%s in units of %s = %q, %v; want %q", test.resource, test.divisor, got, err, test.want)
		}
	}
	if _, err := resourceField(c, &corev1.ResourceFieldSelector{Resource: "cpu"}); err == nil {
		t.Error("a resource that is neither a limit nor a request was accepted")
	}
}
