package main

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// question is a sum inside a message: the last of them counts.
var question = regexp.MustCompile(`(\d{1,12})\s*\+\s*(\d{1,12})`)

// explain is the model: it finds the sum that a message asks for and adds it up
// in columns, as one does at school, a token at a time. A terse one leaves out
// what goes without saying; a wordy one says everything.
func explain(message string, words int) []string {
	found := question.FindAllStringSubmatch(message, -1)
	if found == nil {
		return tokens("I can only add: ask me for a sum, like 17 + 25.")
	}
	a, b := found[len(found)-1][1], found[len(found)-1][2]
	var say strings.Builder
	fmt.Fprintf(&say, "%s + %s:", a, b)
	carry := 0
	for i := range max(len(a), len(b)) {
		x, y := digit(a, i), digit(b, i)
		sum := x + y + carry
		fmt.Fprintf(&say, " %d and %d", x, y)
		if carry > 0 || words > 1 {
			fmt.Fprintf(&say, " and %d", carry)
		}
		fmt.Fprintf(&say, " are %d", sum)
		if words > 1 {
			fmt.Fprintf(&say, ", of which I write down %d and carry %d to the next column", sum%10, sum/10)
		} else if sum > 9 {
			say.WriteString(", carry 1")
		}
		say.WriteByte(';')
		carry = sum / 10
	}
	m, _ := strconv.ParseInt(a, 10, 64) // at most twelve digits
	n, _ := strconv.ParseInt(b, 10, 64)
	fmt.Fprintf(&say, " so it is %d.", m+n)
	return tokens(say.String())
}

// digit is the digit i places from the right, 0 beyond the left end.
func digit(number string, i int) int {
	if i >= len(number) {
		return 0
	}
	return int(number[len(number)-1-i] - '0')
}

// tokens cuts a text after every space.
func tokens(text string) []string { return strings.SplitAfter(text, " ") }
