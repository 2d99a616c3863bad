package main

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/haldane-dev/haldane/examples/churn/convert/rds"
)

// writeCSV writes a data frame with a header line. Factors become their
// level's text, numbers their shortest decimal form that reads back equal,
// logical values true and false, and missing values empty fields.
func writeCSV(w io.Writer, frame rds.Value) error {
	names := frame.Names()
	if frame.Kind != rds.List || len(names) == 0 || len(names) != len(frame.List) {
		return errors.New("not a data frame: it is not a list of named columns")
	}
	rows := frame.List[0].Len()
	for i, column := range frame.List {
		if column.Len() != rows {
			return fmt.Errorf("column %s has %d rows, %s has %d", names[i], column.Len(), names[0], rows)
		}
	}
	out := csv.NewWriter(w)
	if err := out.Write(names); err != nil {
		return err
	}
	line := make([]string, len(names))
	for row := range rows {
		for i, column := range frame.List {
			text, err := cell(column, row)
			if err != nil {
				return fmt.Errorf("column %s, row %d: %w", names[i], row+1, err)
			}
			line[i] = text
		}
		if err := out.Write(line); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

// cell is the text of one element, empty when it is missing.
func cell(column rds.Value, row int) (string, error) {
	switch column.Kind {
	case rds.Double:
		x := column.Doubles[row]
		if rds.IsNA(x) {
			return "", nil
		}
		return strconv.FormatFloat(x, 'f', -1, 64), nil
	case rds.Character:
		return column.Strings[row].Text, nil
	case rds.Logical:
		if column.Ints[row] == rds.NAInt {
			return "", nil
		}
		return strconv.FormatBool(column.Ints[row] != 0), nil
	case rds.Integer:
		return integerCell(column, row)
	default:
		return "", errors.New("a list inside a column")
	}
}

// integerCell is the text of an element of an integer or factor column.
func integerCell(column rds.Value, row int) (string, error) {
	n := column.Ints[row]
	if n == rds.NAInt {
		return "", nil
	}
	if _, factor := column.Attributes["levels"]; !factor {
		return strconv.Itoa(int(n)), nil
	}
	levels := column.Levels()
	if n < 1 || int(n) > len(levels) {
		return "", fmt.Errorf("level %d of a factor with %d levels", n, len(levels))
	}
	return levels[n-1], nil
}
