package app

import (
	"cmp"
	"context"

	"github.com/haldane-dev/haldane/api/v1alpha1"
	"github.com/haldane-dev/haldane/internal/engine"
	"github.com/haldane-dev/haldane/internal/gateway/ofrep"
	"github.com/haldane-dev/haldane/internal/toggle"
)

// toggled is the switch of a valid file.
func toggled(m *v1alpha1.ModelRollout, s *v1alpha1.Switch, by caller) engine.Outside {
	c := toggle.Config{Every: s.Every.Duration, Timeout: s.Timeout.Duration, Hold: s.OnUnknown == "Hold", Logger: by.log}
	f := s.Flag
	if f == nil {
		c.What, c.Read = "the file "+s.File, toggle.File(within(by.dir, s.File))
		return toggle.New(c)
	}
	flag := toggle.Flag{URL: f.URL, Key: f.Key, Context: texts(f.Context), Client: by.client}
	name := m.Name
	if m.Namespace != "" {
		name = m.Namespace + "/" + name
	}
	flag.Context[ofrep.TargetingKey] = cmp.Or(flag.Context[ofrep.TargetingKey], name)
	if from := f.TokenFrom; from != nil {
		flag.Token = func(ctx context.Context) ([]byte, error) { return by.secrets(ctx, *from) }
	}
	c.What, c.Read = "the flag "+f.Key, flag.Read
	return toggle.New(c)
}
