package prometheus

// The systems in the path of both arms: one process counts for both, and a label
// says which arm answered. What failed is what a client sees as a server's fault.

// istio is the standard metrics of Istio's proxies, counted where requests come
// from, so that those which reach no pod are failures too. A call by gRPC fails by
// its own status: unknown, deadline exceeded, internal, unavailable, data loss.
var istio = Preset{
	Name: "istio",
	Kinds: map[Counted]Series{
		failures: {
			partTotal: `istio_requests_total{reporter="source"}`,
			partBad:   `istio_requests_total{reporter="source",response_code=~"5.."}`,
			partBadToo: `istio_requests_total{reporter="source",response_code!~"5..",` +
				`grpc_response_status=~"2|4|13|14|15"}`,
		},
		latencies: histogramOf("istio_request_duration_milliseconds").where(`reporter="source"`),
	},
}

// traefik is Traefik's metrics of services, which it has with
// --metrics.prometheus.addServicesLabels, as it does by default.
var traefik = Preset{
	Name: "traefik",
	Kinds: map[Counted]Series{
		failures:  rate(`traefik_service_requests_total`, `traefik_service_requests_total{code=~"5.."}`),
		latencies: histogramOf("traefik_service_request_duration_seconds"),
	},
}

// nginx is the metrics of ingress-nginx. The label canary names the backend of a
// canary Ingress, where that answered.
var nginx = Preset{
	Name: "nginx",
	Kinds: map[Counted]Series{
		failures:  rate(`nginx_ingress_controller_requests`, `nginx_ingress_controller_requests{status=~"5.."}`),
		latencies: histogramOf("nginx_ingress_controller_request_duration_seconds"),
	},
}

// where adds matchers to every part.
func (s Series) where(matchers string) Series {
	out := Series{}
	for part, selector := range s {
		out[part] = with(selector, matchers)
	}
	return out
}
