package churn

import (
	"encoding/json"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// The body of the first customer, to the letter: clients written in other
// languages may be checked against it.
func TestRequestBody(t *testing.T) {
	got := string(all(t)[0].RequestBody())
	for _, want := range []string{
		`{"id":"customer-0001","inputs":[{"name":"female","shape":[1],"datatype":"INT64","data":[1]},`,
		`{"name":"contract","shape":[1],"datatype":"BYTES","data":["Month-to-month"]}`,
		`{"name":"monthly_charges","shape":[1],"datatype":"FP64","data":[29.85]}`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s in %s", want, got)
		}
	}
}

// Whatever is sent is read back, in both protocols, for every tenth customer
// and those without a total.
func TestBodiesRoundTrip(t *testing.T) {
	for _, c := range all(t) {
		if c.Row%10 != 0 && !math.IsNaN(c.Features[18]) {
			continue
		}
		var oip inferRequest
		if err := json.Unmarshal(c.RequestBody(), &oip); err != nil {
			t.Fatal(err)
		}
		fromOIP, err := oip.customers()
		if err != nil {
			t.Fatalf("%s: %v", c.ID, err)
		}
		var mlflow invocationsRequest
		if err := json.Unmarshal(c.InvocationsBody(), &mlflow); err != nil {
			t.Fatal(err)
		}
		fromMLflow, err := mlflow.customers()
		if err != nil {
			t.Fatalf("%s: %v", c.ID, err)
		}
		want := []Features{c.Features}
		if diff := cmp.Diff(want, fromOIP, cmpopts.EquateNaNs()); diff != "" || oip.ID != c.ID {
			t.Fatalf("%s by the Open Inference Protocol, id %q (-want +got):\n%s", c.ID, oip.ID, diff)
		}
		if diff := cmp.Diff(want, fromMLflow, cmpopts.EquateNaNs()); diff != "" {
			t.Fatalf("%s by MLflow (-want +got):\n%s", c.ID, diff)
		}
	}
}

// A missing total is left out of one protocol and null in the other.
func TestMissingTotal(t *testing.T) {
	for _, c := range all(t) {
		if !math.IsNaN(c.Features[18]) {
			continue
		}
		if body := string(c.RequestBody()); strings.Contains(body, "total_charges") {
			t.Errorf("%s has no total, but its body does: %s", c.ID, body)
		}
		if body := string(c.InvocationsBody()); !strings.Contains(body, `"total_charges":null`) {
			t.Errorf("%s has no total, but its record has: %s", c.ID, body)
		}
		return
	}
	t.Error("every customer has a total")
}

// batch is one request for several customers.
func batch(t testing.TB, customers []Customer) inferRequest {
	t.Helper()
	var out inferRequest
	for i, c := range customers {
		var one inferRequest
		if err := json.Unmarshal(c.RequestBody(), &one); err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			out = one
			continue
		}
		for j := range out.Inputs {
			out.Inputs[j].Shape[0]++
			out.Inputs[j].Data = append(out.Inputs[j].Data, one.Inputs[j].Data...)
		}
	}
	return out
}

func FuzzInferRequest(f *testing.F) {
	customers, err := All()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(customers[0].RequestBody())
	f.Add([]byte(`{"inputs":[{"name":"tenure","shape":[2,1],"datatype":"FP32","data":[[1],[2]]}]}`))
	m := model(f, "good")
	f.Fuzz(func(t *testing.T, body []byte) {
		var r inferRequest
		if json.Unmarshal(body, &r) != nil {
			return
		}
		rows, err := r.customers()
		if err != nil {
			return
		}
		for i := range rows {
			if _, p, err := m.predict(&rows[i]); err != nil || !(0.5 <= p && p <= 1) {
				t.Errorf("probability %v, error %v for %v", p, err, rows[i])
			}
		}
	})
}
