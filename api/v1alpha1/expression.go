package v1alpha1

import (
	"fmt"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/ext"
)

// maxExpression bounds the text of an expression, and expressionCost the work of
// one evaluation, in CEL's units: about one for each operation or element visited.
const (
	maxExpression  = 4096
	expressionCost = 1_000_000
)

// CheckExpression compiles what a check expects of an answer: CEL that is true
// or false over status (a number), headers (names in small letters), body (the
// answer read as JSON, null if it is none), text (the answer as it is) and
// latency (a duration). Evaluations of the program are bounded, and safe for
// concurrent use.
func CheckExpression(source string) (cel.Program, error) {
	if len(source) > maxExpression {
		return nil, fmt.Errorf("is longer than %d bytes", maxExpression)
	}
	env, err := cel.NewEnv(
		cel.Variable("status", cel.IntType),
		cel.Variable("headers", cel.MapType(cel.StringType, cel.StringType)),
		cel.Variable("body", cel.DynType),
		cel.Variable("text", cel.StringType),
		cel.Variable("latency", cel.DurationType),
		cel.CrossTypeNumericComparisons(true),
		ext.Strings(), ext.Math(), ext.Lists(),
	)
	if err != nil {
		return nil, fmt.Errorf("prepare the expression language: %w", err)
	}
	ast, issues := env.Compile(source)
	if found := issues.Errors(); len(found) > 0 {
		at := found[0].Location
		return nil, fmt.Errorf("line %d, column %d: %s", at.Line(), at.Column()+1, found[0].Message)
	}
	switch t := ast.OutputType(); t.Kind() {
	case types.BoolKind, types.DynKind, types.AnyKind:
	default:
		return nil, fmt.Errorf("gives %s: write what is true or false of a good answer, like status == 200", t)
	}
	program, err := env.Program(ast, cel.CostLimit(expressionCost), cel.EvalOptions(cel.OptOptimize), cel.InterruptCheckFrequency(1000))
	if err != nil {
		return nil, fmt.Errorf("prepare the expression: %w", err)
	}
	return program, nil
}
