package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// question and reply are what is asked and answered: a customer's features, and
// one prediction with its probability.
const (
	path     = "/v2/models/churn/infer"
	question = `{"id":"42","inputs":[{"name":"features","shape":[1,12],"datatype":"FP64","data":[34,1,0,56.95,1889.5,1,0,0,1,0,1,0]}],"outputs":[{"name":"probability"}],"parameters":{"a":1}}`
	reply    = `{"model_name":"churn","model_version":"1","outputs":[{"name":"probability","datatype":"FP64","shape":[1],"data":[0.8312]}],"id":""}`
)

// bench is everything that runs.
type bench struct {
	o       options
	dir     string
	self    string // this program
	script  string // of wrk
	backend *process
	proxies []*measured // the gateway is the first
}

func (b *bench) start(ctx context.Context) error {
	for _, tool := range []string{"wrk", "nginx", "haproxy"} {
		if _, err := exec.LookPath(tool); err != nil {
			return fmt.Errorf("%s is needed: apt-get install wrk nginx-light haproxy", tool)
		}
	}
	var err error
	if b.script, err = b.write("load.lua", script); err != nil {
		return err
	}
	if b.backend, err = b.nginx(ctx, loadCore, "backend", fmt.Sprintf("default_type application/json; return 200 '%s';", reply)); err != nil {
		return err
	}
	if b.self, err = os.Executable(); err != nil {
		return err
	}
	role := func(name string, more ...string) func() (*process, error) {
		return func() (*process, error) {
			addr, err := freeAddr()
			if err != nil {
				return nil, err
			}
			args := append([]string{"-role", name + "@" + addr, "-upstream", "http://" + b.backend.addr}, more...)
			return launch(ctx, proxyCore, addr, exec.CommandContext(ctx, b.self, args...))
		}
	}
	var profile []string
	if b.o.profile != "" {
		profile = []string{"-profile", b.o.profile}
	}
	for _, p := range []struct {
		name  string
		start func() (*process, error)
	}{
		{"Haldane gateway, everything on", role("haldane", profile...)},
		{reference, role("plain")},
		{"nginx", func() (*process, error) {
			return b.nginx(ctx, proxyCore, "proxy", `proxy_pass http://model; proxy_http_version 1.1; proxy_set_header Connection "";`)
		}},
		{"HAProxy", func() (*process, error) { return b.haproxy(ctx) }},
	} {
		process, err := p.start()
		if err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		b.proxies = append(b.proxies, &measured{name: p.name, process: process})
	}
	return nil
}

func (b *bench) stop() {
	for _, p := range b.proxies {
		p.process.stop()
	}
	if b.backend != nil {
		b.backend.stop()
	}
}

func (b *bench) write(name, text string) (string, error) {
	file := filepath.Join(b.dir, name)
	return file, os.WriteFile(file, []byte(text), 0o600)
}

// nginx starts one process that does what location says.
func (b *bench) nginx(ctx context.Context, core int, name, location string) (*process, error) {
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	upstream := ""
	if b.backend != nil {
		upstream = fmt.Sprintf("upstream model { server %s; keepalive 256; keepalive_requests 1000000000; }", b.backend.addr)
	}
	conf, err := b.write(name+".conf", strings.NewReplacer(
		"DIR", b.dir, "NAME", name, "UPSTREAM", upstream, "ADDR", addr, "LOCATION", location).Replace(nginxConf))
	if err != nil {
		return nil, err
	}
	return launch(ctx, core, addr, exec.CommandContext(ctx, "nginx", "-e", filepath.Join(b.dir, name+".log"), "-p", b.dir, "-c", conf))
}

const nginxConf = `daemon off;
master_process off;
pid DIR/NAME.pid;
error_log DIR/NAME.log crit;
events { worker_connections 4096; }
http {
  access_log off;
  client_body_temp_path DIR/NAME-body;
  proxy_temp_path DIR/NAME-proxy;
  fastcgi_temp_path DIR/NAME-fastcgi;
  uwsgi_temp_path DIR/NAME-uwsgi;
  scgi_temp_path DIR/NAME-scgi;
  keepalive_requests 1000000000;
  UPSTREAM
  server {
    listen ADDR;
    location / { LOCATION }
  }
}
`

func (b *bench) haproxy(ctx context.Context) (*process, error) {
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	conf, err := b.write("haproxy.cfg", fmt.Sprintf(haproxyConf, addr, b.backend.addr))
	if err != nil {
		return nil, err
	}
	return launch(ctx, proxyCore, addr, exec.CommandContext(ctx, "haproxy", "-db", "-f", conf))
}

const haproxyConf = `global
  nbthread 1
  maxconn 4096
defaults
  mode http
  timeout connect 2s
  timeout client 60s
  timeout server 30s
  http-reuse always
frontend in
  bind %s
  default_backend model
backend model
  server one %s
`
