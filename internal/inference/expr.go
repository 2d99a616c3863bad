package inference

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
	"cel.dev/cel-go/ext"
)

// costLimit bounds the work of one evaluation, in CEL's units: about one for
// each operation or element visited.
const costLimit = 1_000_000

// expression reads predictions by a program of the user's.
type expression struct{ program cel.Program }

// compile checks an expression as far as can be done without a response.
func compile(source string) (*expression, error) {
	env, err := cel.NewEnv(
		cel.Variable("response", cel.DynType),
		cel.Variable("request", cel.DynType),
		cel.CrossTypeNumericComparisons(true),
		ext.Strings(), ext.Math(),
	)
	if err != nil {
		return nil, fmt.Errorf("prepare the expression language: %w", err)
	}
	ast, issues := env.Compile(source)
	if found := issues.Errors(); len(found) > 0 {
		at := found[0].Location
		return nil, fmt.Errorf("expression, line %d, column %d: %s", at.Line(), at.Column()+1, found[0].Message)
	}
	if t := ast.OutputType(); !mayBePrediction(t) {
		return nil, fmt.Errorf("expression gives %s: want a class (string), a number, a map with class, confidence or value, or a list of those", t)
	}
	program, err := env.Program(ast, cel.CostLimit(costLimit), cel.EvalOptions(cel.OptOptimize))
	if err != nil {
		return nil, fmt.Errorf("expression: %w", err)
	}
	return &expression{program: program}, nil
}

func mayBePrediction(t *cel.Type) bool {
	switch t.Kind() {
	case types.DynKind, types.AnyKind, types.StringKind, types.BoolKind, types.DoubleKind,
		types.IntKind, types.UintKind, types.MapKind, types.ListKind:
		return true
	}
	return false
}

// read evaluates the expression on a response. Whatever goes wrong means that
// the response is unread.
func (x *expression) read(dst []Prediction, r *Reader, reqBody []byte, response string) ([]Prediction, bool) {
	var parsed any
	if err := json.Unmarshal(bytesOf(response), &parsed); err != nil {
		return dst, false
	}
	out, _, err := x.program.Eval(map[string]any{
		"response": parsed,
		// Parsed only if the expression asks for it.
		"request": func() any { return parseRequest(reqBody, r.maxBody) },
	})
	if err != nil {
		return dst, false
	}
	preds, err := x.append(dst, r, out)
	if err != nil {
		return dst, false
	}
	return preds, true
}

// parseRequest is the request as the expression sees it, null if it is no JSON.
func parseRequest(body []byte, maxBody int) any {
	var scratch []byte
	if len(body) > maxBody {
		return nil
	}
	text, ok := prepare(body, &scratch)
	if !ok {
		return nil
	}
	var parsed any
	if err := json.Unmarshal(bytesOf(text), &parsed); err != nil {
		return nil
	}
	return parsed
}

var errResult = errors.New("not a prediction")

// append adds the result of an evaluation. Lone numbers follow the rule for
// numbers of a batch: probabilities only if all of them may be.
func (x *expression) append(dst []Prediction, r *Reader, out ref.Val) ([]Prediction, error) {
	list, ok := out.(traits.Lister)
	if !ok {
		p, err := x.one(r, out, inUnit(out))
		if err != nil {
			return nil, err
		}
		return append(dst, p), nil
	}
	size, ok := list.Size().(types.Int)
	if !ok {
		return nil, errResult
	}
	size = min(size, MaxPredictions)
	unit := true
	for i := range size {
		unit = unit && inUnit(list.Get(i))
	}
	for i := range size {
		p, err := x.one(r, list.Get(i), unit)
		if err != nil {
			return nil, err
		}
		dst = append(dst, p)
	}
	return dst, nil
}

// inUnit reports whether v is no number outside [0, 1].
func inUnit(v ref.Val) bool {
	x, ok := number(v)
	return !ok || x >= 0 && x <= 1
}

func (x *expression) one(r *Reader, v ref.Val, unit bool) (p Prediction, err error) {
	if m, ok := v.(traits.Mapper); ok {
		return x.fromMap(r, m)
	}
	if n, ok := number(v); ok {
		if isFinite(n) {
			r.number(&p, n, unit)
		}
		return p, nil
	}
	switch v := v.(type) {
	case types.String:
		r.setClass(&p, r.names.class(string(v)))
	case types.Bool:
		r.setClass(&p, r.boolName(bool(v)))
	case types.Null:
	default:
		return p, errResult
	}
	return p, nil
}

// fromMap reads class, confidence and value; null is the same as absent, any
// other key is ignored.
func (x *expression) fromMap(r *Reader, m traits.Mapper) (p Prediction, err error) {
	if v, ok := m.Find(types.String("class")); ok {
		if n, isNumber := number(v); isNumber && isIndex(n) {
			r.setClass(&p, r.className(int64(n)))
		} else if p, err = x.one(r, v, true); err != nil || p.HasValue {
			return p, errResult
		}
	}
	if v, ok := m.Find(types.String("confidence")); ok && v != types.NullValue {
		n, ok := number(v)
		if !ok || !(n >= 0 && n <= 1) {
			return p, errResult
		}
		p.Confidence, p.HasConfidence = n, true
	}
	if v, ok := m.Find(types.String("value")); ok && v != types.NullValue {
		n, ok := number(v)
		if !ok || !isFinite(n) {
			return p, errResult
		}
		p.Value, p.HasValue = n, true
	}
	return p, nil
}

// number is a number of any of CEL's three kinds.
func number(v ref.Val) (x float64, ok bool) {
	switch v := v.(type) {
	case types.Double:
		return float64(v), true
	case types.Int:
		return float64(v), true
	case types.Uint:
		return float64(v), true
	}
	return 0, false
}

func isFinite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }
