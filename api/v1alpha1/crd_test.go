package v1alpha1

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"strings"
	"testing"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	crdv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	crdvalidation "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/listtype"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	"k8s.io/apimachinery/pkg/util/json"
	"sigs.k8s.io/yaml"
)

// resource does to an object what an API server does that holds the
// definition: schema, lists, expressions, and unknown fields as kubectl
// refuses them.
type resource struct {
	schema     *schema.Structural
	validator  validation.SchemaValidator
	expression *cel.Validator
}

func definition(t *testing.T, plural string) *resource {
	t.Helper()
	text, err := os.ReadFile("../../deploy/crd/haldane.dev_" + plural + ".yaml")
	if err != nil {
		t.Fatal(err)
	}
	var external crdv1.CustomResourceDefinition
	if err := yaml.UnmarshalStrict(text, &external); err != nil {
		t.Fatal(err)
	}
	crdv1.SetDefaults_CustomResourceDefinition(&external)
	crdv1.SetDefaults_CustomResourceDefinitionSpec(&external.Spec)
	var crd apiextensions.CustomResourceDefinition
	if err := crdv1.Convert_v1_CustomResourceDefinition_To_apiextensions_CustomResourceDefinition(&external, &crd, nil); err != nil {
		t.Fatal(err)
	}
	crd.Status.StoredVersions = []string{"v1alpha1"}
	if errs := crdvalidation.ValidateCustomResourceDefinition(t.Context(), &crd); len(errs) > 0 {
		for _, err := range errs {
			t.Error(err)
		}
		t.Fatal("an API server refuses the definition")
	}
	whole := crd.Spec.Validation
	if whole == nil {
		whole = crd.Spec.Versions[0].Schema
	}
	s, err := schema.NewStructural(whole.OpenAPIV3Schema)
	if err != nil {
		t.Fatal(err)
	}
	v, _, err := validation.NewSchemaValidator(whole.OpenAPIV3Schema)
	if err != nil {
		t.Fatal(err)
	}
	return &resource{s, v, cel.NewValidator(s, true, math.MaxInt64)}
}

// create returns why an API server would not take the object in text.
func (r *resource) create(text string) error {
	var obj map[string]any
	plain, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		return err
	}
	if err := json.Unmarshal(plain, &obj); err != nil {
		return err
	}
	var errs []error
	kept := maps.Clone(obj)
	unknown := pruning.PruneWithOptions(kept, r.schema, true, schema.UnknownFieldPathOptions{TrackUnknownFieldPaths: true})
	for _, path := range unknown {
		errs = append(errs, fmt.Errorf("unknown field %q", path))
	}
	for _, err := range validation.ValidateCustomResource(nil, kept, r.validator) {
		errs = append(errs, err)
	}
	for _, err := range listtype.ValidateListSetsAndMaps(nil, r.schema, kept) {
		errs = append(errs, err)
	}
	if len(errs) == 0 { // expressions see nothing that the schema refuses
		found, _ := r.expression.Validate(context.Background(), nil, r.schema, kept, nil, math.MaxInt64)
		for _, err := range found {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

const onCluster = `apiVersion: haldane.dev/v1alpha1
kind: ModelRollout
metadata: {name: churn}
spec:
  workload: {kind: Deployment, name: churn, stableName: churn-stable}
  strategy:
    canary:
      steps:
      - {weight: 0.5, margin: 4}
      - {pause: {}}
      - {weight: 25}
      - {shadow: {percent: 100}}
      - {pause: {for: 10m}}
      - {weight: 50}
      - {weight: 100}
  routing:
    gateway: {listen: ":8080", trustedProxies: [10.0.0.0/8]}
    stickyBy: {header: X-User-ID}
    cohorts: [{name: beta-users, keys: [ann, ben]}]
    country: {header: X-Country}
    always:
    - {header: {name: x-canary, exact: "true"}}
    - {country: [NL, SE]}
    - {cohort: beta-users}
  analysis:
    source: {prometheus: {address: "http://prometheus.monitoring:9090", preset: haldane}}
    falseRollbackProbability: 1%
    warmup: 90s
    metrics:
    - {name: errors, errorRate: {}}
    - {name: latency, latency: {maxSlower: {p50: 10%, p99: 20ms}, maxOver: {250ms: 1pp}}}
    - {name: answers, drift: {max: 0.05}}
    - {name: confidence, mean: {of: confidence, maxDecrease: 0.02}}
    - {name: accuracy, outcome: {maturity: 30m}}
    - {name: agreement, pairs: {maxDisagreement: 2%}, tolerate: 0}
`

// TestDefinitionsAreValid: an API server takes all of them, and their
// expressions are within its limits.
func TestDefinitionsAreValid(t *testing.T) {
	for _, plural := range []string{"modelrollouts", "rolloutstates", "rolloutcommands"} {
		definition(t, plural)
	}
}

// TestReaderAndDefinitionAgree changes one thing of a good document, and both
// the reader and the custom resource must refuse it, or both accept.
func TestReaderAndDefinitionAgree(t *testing.T) {
	r := definition(t, "modelrollouts")
	check := func(t *testing.T, text string, bad bool) {
		t.Helper()
		_, read := LoadCluster("f.yaml", strings.NewReader(text))
		created := r.create(text)
		if (read != nil) != bad {
			t.Errorf("the reader says: %v", read)
		}
		if (created != nil) != bad {
			t.Errorf("the custom resource says: %v", created)
		}
		if bad && testing.Verbose() {
			t.Logf("reader: %v\nresource: %v", read, created)
		}
	}
	for base, cases := range map[string][]agreement{
		onCluster: agreements, plainOnCluster: routerAgreements,
		blueGreenOnCluster: blueGreenAgreements, shadowOnCluster: shadowAgreements,
		experimentOnCluster: experimentAgreements, experimentByRoute: experimentByRouteAgreements,
		flagOnCluster:     flagAgreements,
		experimentOfThree: experimentOfThreeAgreements,
	} {
		check(t, base, false)
		for _, tc := range cases {
			t.Run(tc.name, func(t *testing.T) {
				text := strings.Replace(base, tc.old, tc.new, 1)
				if text == base {
					t.Fatal("the case changes nothing")
				}
				check(t, text, tc.bad)
			})
		}
	}
}
