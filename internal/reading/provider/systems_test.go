package provider

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"

	"github.com/haldane-dev/haldane/internal/reading"
)

// systems are all providers, with servers that speak what theirs document.
var systems = map[string]system{
	"prometheus": {
		make: func(address string, s Secret) (reading.Reader, error) {
			return Prometheus(PrometheusConfig{Address: address, Query: `max(queue{version="{{version}}"})`, Token: s, HTTP: through()})
		},
		serve: servePrometheus,
		none:  `{"status":"success","data":{"resultType":"vector","result":[]}}`,
		null:  `{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1,"NaN"]}]}}`,
		many:  `{"status":"success","data":{"resultType":"vector","result":[{"metric":{"a":"1"},"value":[1,"2"]},{"metric":{"a":"2"},"value":[1,"2"]}]}}`,
	},
	"json": {
		make: func(address string, s Secret) (reading.Reader, error) {
			return JSON(JSONConfig{URL: address + "/v?of={{version}}", Path: "$.queue[-1:].length", Token: s, Header: map[string]string{"X-Team": "a"}, HTTP: through()})
		},
		serve: serveJSON,
		none:  `{"queue":[]}`,
		null:  `{"queue":[{"length":null}]}`,
		many:  "",
	},
	"datadog": {
		make: func(address string, s Secret) (reading.Reader, error) {
			return Datadog(DatadogConfig{Address: address, Query: "max:queue{version:{{arm}}}", APIKey: s, AppKey: secret("another"), Window: 5 * time.Minute, HTTP: through()})
		},
		serve: serveDatadog,
		none:  `{"status":"ok","series":[]}`,
		null:  `{"status":"ok","series":[{"pointlist":[[1764000000000,null]]}]}`,
		many:  `{"status":"ok","series":[{"pointlist":[]},{"pointlist":[]}]}`,
	},
	"influxDB": {
		make: func(address string, s Secret) (reading.Reader, error) {
			return InfluxDB(InfluxConfig{Address: address, Org: "shop", Token: s, Window: 5 * time.Minute, HTTP: through(),
				Query: `from(bucket: "b") |> range(start: {{start}}, stop: {{stop}}) |> filter(fn: (r) => r.version == "{{version}}")`})
		},
		serve: serveInflux,
		none:  "\r\n",
		null:  flux + ",,0,2026-11-23T12:00:00Z,\r\n",
		many:  flux + ",,0,2026-11-23T12:00:00Z,1\r\n,,1,2026-11-23T12:00:00Z,2\r\n",
	},
	"cloudWatch": {
		make: func(address string, s Secret) (reading.Reader, error) {
			return CloudWatch(CloudWatchConfig{Region: "eu-north-1", Address: address, Namespace: "AWS/SQS", Metric: "Depth", Dimensions: map[string]string{"QueueName": "{{name}}-{{arm}}"},
				Statistic: "Maximum", AccessKey: secret("AKIDEXAMPLE"), SecretKey: s, Window: 5 * time.Minute, HTTP: through()})
		},
		serve: serveCloudWatch,
	},
}

func want(t *testing.T, what string, ok bool, r *http.Request) {
	if !ok {
		t.Errorf("%s is not in %s %s %v", what, r.Method, r.URL, r.Header)
	}
}

// servePrometheus speaks the HTTP API of Prometheus.
func servePrometheus(t *testing.T, f *fake, w http.ResponseWriter, r *http.Request) {
	want(t, "the token", r.Header.Get("Authorization") == "Bearer "+token, r)
	want(t, "the query", r.FormValue("query") == `max(queue{version="v\"2"})`, r)
	if r.URL.Path == "/api/v1/query" {
		v := f.points[len(f.points)-1]
		fmt.Fprintf(w, `{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[%d,"%v"]}]}}`, v.At.Unix(), v.Number)
		return
	}
	start, _ := strconv.ParseFloat(r.FormValue("start"), 64)
	var values []string
	for _, v := range f.points {
		if float64(v.At.Unix()) >= start {
			values = append(values, fmt.Sprintf(`[%d,"%v"]`, v.At.Unix(), v.Number))
		}
	}
	want(t, "the step", r.URL.Path == "/api/v1/query_range" && r.FormValue("step") == "60", r)
	fmt.Fprintf(w, `{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[%s]}]}}`, strings.Join(values, ","))
}

func serveJSON(t *testing.T, f *fake, w http.ResponseWriter, r *http.Request) {
	want(t, "what it is asked", r.URL.RequestURI() == "/v?of=v%222" && r.Header.Get("X-Team") == "a", r)
	want(t, "the token", r.Header.Get("Authorization") == "Bearer "+token, r)
	var out []string
	for _, v := range f.points {
		out = append(out, fmt.Sprintf(`{"length":%v}`, v.Number))
	}
	fmt.Fprintf(w, `{"queue":[%s]}`, strings.Join(out, ","))
}

// serveDatadog speaks GET /api/v1/query of Datadog's API.
func serveDatadog(t *testing.T, f *fake, w http.ResponseWriter, r *http.Request) {
	want(t, "the keys", r.Header.Get("DD-API-KEY") == token && r.Header.Get("DD-APPLICATION-KEY") == "another", r)
	want(t, "the query", r.URL.Path == "/api/v1/query" && r.FormValue("query") == "max:queue{version:canary}", r)
	from, _ := strconv.ParseInt(r.FormValue("from"), 10, 64)
	to, _ := strconv.ParseInt(r.FormValue("to"), 10, 64)
	var points []string
	for _, v := range f.points {
		if s := v.At.Unix(); s >= from && s <= to {
			points = append(points, fmt.Sprintf("[%d.0,%v]", v.At.UnixMilli(), v.Number))
		}
	}
	fmt.Fprintf(w, `{"status":"ok","res_type":"time_series","series":[{"metric":"queue","interval":60,"pointlist":[%s]}],"query":"x"}`, strings.Join(points, ","))
}

// flux is the head of an answer in annotated CSV.
const flux = "#datatype,string,long,dateTime:RFC3339,double\r\n#group,false,false,false,false\r\n#default,_result,,,\r\n,result,table,_time,_value\r\n"

// serveInflux speaks POST /api/v2/query of InfluxDB.
func serveInflux(t *testing.T, f *fake, w http.ResponseWriter, r *http.Request) {
	want(t, "the token", r.Header.Get("Authorization") == "Token "+token, r)
	var body io.Reader = r.Body
	if r.Header.Get("Content-Encoding") == "gzip" {
		body, _ = gzip.NewReader(r.Body)
	}
	var ask struct{ Query string }
	if err := json.NewDecoder(body).Decode(&ask); err != nil {
		t.Error(err)
	}
	want(t, "the query", r.URL.Path == "/api/v2/query" && r.FormValue("org") == "shop" && strings.Contains(ask.Query, `r.version == "v\"2"`), r)
	_, text, _ := strings.Cut(ask.Query, "start: ")
	text, _, _ = strings.Cut(text, ",")
	start, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		t.Error(err)
	}
	w.Header().Set("Content-Type", "text/csv")
	_, _ = io.WriteString(w, flux)
	for _, v := range f.points {
		if !v.At.Before(start) {
			fmt.Fprintf(w, ",,0,%s,%v\r\n", v.At.Format(time.RFC3339), v.Number)
		}
	}
}

// serveCloudWatch speaks GetMetricData in the protocol that the client chooses.
func serveCloudWatch(t *testing.T, f *fake, w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	want(t, "who asks", strings.HasPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/"), r)
	want(t, "the operation", strings.HasSuffix(r.URL.Path, "/operation/GetMetricData") && bytes.Contains(body, []byte("churn-canary")), r)
	var stamps []any
	var values []float64
	for _, v := range f.points {
		stamps = append(stamps, cbor.Tag{Number: 1, Content: float64(v.At.Add(-time.Minute).Unix())}) // the beginning of its period
		values = append(values, v.Number)
	}
	out, err := cbor.Marshal(map[string]any{"MetricDataResults": []any{map[string]any{
		"Id": "haldane", "StatusCode": "Complete", "Timestamps": stamps, "Values": values,
	}}})
	if err != nil {
		t.Error(err)
	}
	w.Header().Set("Smithy-Protocol", "rpc-v2-cbor")
	w.Header().Set("Content-Type", "application/cbor")
	_, _ = w.Write(out)
}
