package churn

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"time"
)

// modelName is the name all versions are served under.
const modelName = "churn"

// maxBody bounds a request, in bytes: about 500 customers.
const maxBody = 1 << 20

// server answers for one model.
type server struct {
	model *Model
}

// Handler serves the model in the Open Inference Protocol v2 under /v2 and in
// MLflow's scoring protocol under /invocations, /ping, /health and /version.
// It keeps no state between requests. Every error is a JSON object with the
// field error.
func (m *Model) Handler() http.Handler {
	s := &server{model: m}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v2", s.serverMetadata)
	mux.HandleFunc("GET /v2/health/live", answer(map[string]bool{"live": true}))
	mux.HandleFunc("GET /v2/health/ready", answer(map[string]bool{"ready": true}))
	ready := answer(map[string]any{"name": modelName, "ready": true})
	for _, prefix := range []string{"/v2/models/{model}", "/v2/models/{model}/versions/{version}"} {
		mux.HandleFunc("GET "+prefix, s.ofModel(s.modelMetadata))
		mux.HandleFunc("GET "+prefix+"/ready", s.ofModel(ready))
		mux.HandleFunc("POST "+prefix+"/infer", s.ofModel(s.infer))
	}
	mux.HandleFunc("POST /invocations", s.invocations)
	for _, path := range []string{"/ping", "/health"} {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	}
	mux.HandleFunc("GET /version", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, m.Version()) // the client may be gone; nobody is left to tell
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		fail(w, http.StatusNotFound, fmt.Errorf("there is no %s %s here", r.Method, r.URL.Path))
	})
	return mux
}

// ofModel answers 404 unless the path names this model and, if any, this version.
func (s *server) ofModel(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if name := r.PathValue("model"); name != modelName {
			fail(w, http.StatusNotFound, fmt.Errorf("model %q is not served here, only %q", name, modelName))
			return
		}
		if v := r.PathValue("version"); v != "" && v != s.model.Version() {
			fail(w, http.StatusNotFound, fmt.Errorf("version %q is not served here, only %q", v, s.model.Version()))
			return
		}
		next(w, r)
	}
}

func (s *server) serverMetadata(w http.ResponseWriter, _ *http.Request) {
	reply(w, http.StatusOK, map[string]any{
		"name": "haldane-example-churn", "version": s.model.Version(), "extensions": []string{},
	})
}

// tensorMetadata describes an input or output; -1 stands for any number.
type tensorMetadata struct {
	Name     string `json:"name"`
	Datatype string `json:"datatype"`
	Shape    []int  `json:"shape"`
}

func (s *server) modelMetadata(w http.ResponseWriter, _ *http.Request) {
	var inputs []tensorMetadata
	for _, c := range columns {
		inputs = append(inputs, tensorMetadata{Name: c.Name, Datatype: c.datatype(), Shape: []int{-1}})
	}
	reply(w, http.StatusOK, map[string]any{
		"name": modelName, "versions": []string{s.model.Version()}, "platform": "haldane_example",
		"inputs": inputs,
		"outputs": []tensorMetadata{
			{Name: outputLabel, Datatype: typeBytes, Shape: []int{-1}},
			{Name: outputProbability, Datatype: typeDouble, Shape: []int{-1}},
		},
	})
}

// infer answers one request of the Open Inference Protocol.
func (s *server) infer(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Inference-Header-Content-Length") != "" {
		fail(w, http.StatusBadRequest, errors.New("binary tensors are not supported: send JSON"))
		return
	}
	var request inferRequest
	if status, err := readJSON(w, r, &request); err != nil {
		fail(w, status, err)
		return
	}
	for _, output := range request.Outputs {
		if !slices.Contains([]string{outputLabel, outputProbability}, output.Name) {
			fail(w, http.StatusBadRequest, fmt.Errorf("output %q is unknown: the outputs are %s and %s",
				output.Name, outputLabel, outputProbability))
			return
		}
	}
	customers, err := request.customers()
	if err != nil {
		fail(w, http.StatusBadRequest, err)
		return
	}
	answers, ok := s.predictAll(w, r, customers)
	if ok {
		reply(w, http.StatusOK, answers.infer(s.model.Version(), request))
	}
}

// predictAll scores the customers after the feature store's wait, if there is
// one. When it cannot, it has answered the request itself: 500 if the model
// failed, nothing if the client has gone.
func (s *server) predictAll(w http.ResponseWriter, r *http.Request, customers []Features) (predictions, bool) {
	if d := s.model.wait(rand.Float64()); d > 0 {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-r.Context().Done():
		}
		if r.Context().Err() != nil {
			return predictions{}, false
		}
	}
	out := predictions{
		labels:        make([]string, len(customers)),
		probabilities: make([]float64, len(customers)),
	}
	for i := range customers {
		var err error
		out.labels[i], out.probabilities[i], err = s.model.predict(&customers[i])
		if err != nil {
			fail(w, http.StatusInternalServerError, fmt.Errorf("score customer %d: %w", i, err))
			return predictions{}, false
		}
	}
	return out, true
}

// readJSON reads a bounded body; with an error comes the status to answer.
func readJSON(w http.ResponseWriter, r *http.Request, into any) (int, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return http.StatusRequestEntityTooLarge, fmt.Errorf("the request is larger than %d bytes", maxBody)
	case err != nil:
		return http.StatusBadRequest, fmt.Errorf("read the request: %w", err)
	}
	if err := json.Unmarshal(body, into); err != nil {
		return http.StatusBadRequest, fmt.Errorf("the request is not the JSON that is expected: %w", err)
	}
	return http.StatusOK, nil
}

// answer makes a handler that always says the same.
func answer(v any) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { reply(w, http.StatusOK, v) }
}

func fail(w http.ResponseWriter, status int, err error) {
	reply(w, status, map[string]string{"error": err.Error()})
}

func reply(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(mustMarshal(v)) // the client may be gone; nobody is left to tell
}
