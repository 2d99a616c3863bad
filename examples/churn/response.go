package churn

// Outputs of the model.
const (
	outputLabel       = "label"
	outputProbability = "probability"
)

// predictions are the answers to one request, one entry per customer.
type predictions struct {
	labels        []string  // "yes" or "no"
	probabilities []float64 // of the label given
}

// inferResponse is a response of the Open Inference Protocol v2.
type inferResponse struct {
	ModelName    string   `json:"model_name"`
	ModelVersion string   `json:"model_version"`
	ID           string   `json:"id,omitempty"`
	Outputs      []output `json:"outputs"`
}

type output struct {
	tensorMetadata
	Data any `json:"data"`
}

// infer is the response to a request: the outputs it asks for, or all.
func (p predictions) infer(version string, request inferRequest) inferResponse {
	out := inferResponse{ModelName: modelName, ModelVersion: version, ID: request.ID}
	wanted := request.Outputs
	if len(wanted) == 0 {
		wanted = []requestedOutput{{outputLabel}, {outputProbability}}
	}
	shape := []int{len(p.labels)}
	for _, o := range wanted {
		if o.Name == outputLabel {
			out.Outputs = append(out.Outputs, output{tensorMetadata{outputLabel, typeBytes, shape}, p.labels})
		} else {
			out.Outputs = append(out.Outputs, output{tensorMetadata{outputProbability, typeDouble, shape}, p.probabilities})
		}
	}
	return out
}
