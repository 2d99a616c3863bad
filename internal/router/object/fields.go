package object

// List returns the list called key of v, nil if there is none.
func List(v any, key string) []any {
	m, _ := v.(map[string]any)
	l, _ := m[key].([]any)
	return l
}

// GCD returns the greatest common divisor of two weights that are not negative;
// that of 0 and b is b.
func GCD(a, b int64) int64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}
