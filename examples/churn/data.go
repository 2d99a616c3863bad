package churn

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	_ "embed"
	"encoding/binary"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"sync"
)

//go:embed data/wa_churn.csv.gz
var dataFile []byte

// Customer is one row of the data with its true label.
type Customer struct {
	// ID names the customer, customer-0001 for the first row. The data carry no
	// identifiers of their own.
	ID string
	// Row is the row number in the data file, from 1, header not counted.
	Row int
	// Features are what the models see.
	Features Features
	// Churned is the true label: whether the customer left.
	Churned bool
}

// Label is the true class, "yes" when the customer left and "no" otherwise, in
// the models' own words.
func (c Customer) Label() string { return class(c.Churned) }

// class is the models' word for a customer who leaves, or does not.
func class(churned bool) string {
	if churned {
		return "yes"
	}
	return "no"
}

// heldOutShare is how many of every ten customers are kept from training.
const heldOutShare = 4

// heldOut decides by the row number alone, so that every program and every
// machine splits alike: the first eight bytes of SHA-256("churn ROW"),
// big-endian, modulo 10, less than heldOutShare.
func heldOut(row int) bool {
	sum := sha256.Sum256([]byte("churn " + strconv.Itoa(row)))
	return binary.BigEndian.Uint64(sum[:8])%10 < heldOutShare
}

// loaded parses the embedded data once.
var loaded = sync.OnceValues(func() ([]Customer, error) { return parse(dataFile) })

// All returns every customer in the order of the data file. The slice is the
// caller's. Safe for concurrent use.
func All() ([]Customer, error) {
	all, err := loaded()
	return slices.Clone(all), err
}

// Training returns the customers the models were fitted on, about 60%.
// The slice is the caller's. Safe for concurrent use.
func Training() ([]Customer, error) { return pick(false) }

// HeldOut returns the customers no model has seen, about 40%, each with its
// true label. The slice is the caller's. Safe for concurrent use.
func HeldOut() ([]Customer, error) { return pick(true) }

func pick(held bool) ([]Customer, error) {
	all, err := loaded()
	if err != nil {
		return nil, err
	}
	var out []Customer
	for _, c := range all {
		if heldOut(c.Row) == held {
			out = append(out, c)
		}
	}
	return out, nil
}

// parse reads the gzip-compressed CSV.
func parse(packed []byte) ([]Customer, error) {
	unzip, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, fmt.Errorf("unpack the customer data: %w", err)
	}
	lines := csv.NewReader(unzip)
	lines.ReuseRecord = true
	if err := checkHeader(lines); err != nil {
		return nil, fmt.Errorf("read the customer data: %w", err)
	}
	var out []Customer
	for row := 1; ; row++ {
		line, err := lines.Read()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read the customer data, row %d: %w", row, err)
		}
		c, err := parseRow(row, line)
		if err != nil {
			return nil, fmt.Errorf("read the customer data, row %d: %w", row, err)
		}
		out = append(out, c)
	}
}

// checkHeader compares the first line with the schema.
func checkHeader(lines *csv.Reader) error {
	header, err := lines.Read()
	if err != nil {
		return err
	}
	want := []string{target}
	for _, c := range columns {
		want = append(want, c.Name)
	}
	if !slices.Equal(header, want) {
		return fmt.Errorf("the header is %v, where %v is expected", header, want)
	}
	return nil
}

func parseRow(row int, line []string) (Customer, error) {
	c := Customer{ID: fmt.Sprintf("customer-%04d", row), Row: row}
	switch line[0] {
	case "Yes":
		c.Churned = true
	case "No":
	default:
		return c, fmt.Errorf("%s is %q, neither Yes nor No", target, line[0])
	}
	for i, column := range columns {
		value, err := column.parse(line[i+1])
		if err != nil {
			return c, err
		}
		c.Features[i] = value
	}
	return c, nil
}

// parse reads one field of the data file.
func (c Column) parse(text string) (float64, error) {
	if c.Text() {
		return c.level(text)
	}
	if text == "" {
		if c.Optional {
			return math.NaN(), nil
		}
		return 0, fmt.Errorf("%s is blank", c.Name)
	}
	x, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", c.Name, err)
	}
	return x, c.check(x)
}

// level is the index of a category.
func (c Column) level(text string) (float64, error) {
	i := slices.Index(c.Levels, text)
	if i < 0 {
		return 0, fmt.Errorf("%s is %q, not one of %q", c.Name, text, c.Levels)
	}
	return float64(i), nil
}

// maxNumber is more than any month count or dollar amount, and small enough
// that no score overflows.
const maxNumber = 1e9

// check refuses numbers that no customer has.
func (c Column) check(x float64) error {
	if !(0 <= x && x <= maxNumber) {
		return fmt.Errorf("%s is %v, where a number from 0 to %v is expected", c.Name, x, maxNumber)
	}
	if c.Integer && x != math.Trunc(x) {
		return fmt.Errorf("%s is %v, where a whole number is expected", c.Name, x)
	}
	return nil
}
