// Command convert turns the data set wa_churn of the R package modeldata into
// the CSV file that examples/churn ships. It is a module of its own because
// nothing else in Haldane needs an LZMA2 reader.
//
//	cd examples/churn/convert
//	go run . -o ../data/wa_churn.csv.gz /usr/lib/R/site-library/modeldata/data
//
// The argument is the data folder of the installed package; ../data/README.md
// tells how to get it without R.
package main

import (
	"bytes"
	"compress/gzip"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/haldane-dev/haldane/examples/churn/convert/rds"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return
		}
		fmt.Fprintln(os.Stderr, "convert:", err)
		os.Exit(1)
	}
}

// run reads the object that args name and writes it as CSV to the file given
// by -o, or to stdout. The file is written only once all of it is known.
func run(args []string, stdout io.Writer) error {
	flags := flag.NewFlagSet("convert", flag.ContinueOnError)
	out := flags.String("o", "", "write the CSV to this `file` instead of standard output; compressed if it ends in .gz")
	object := flags.String("object", "wa_churn", "the data frame to convert")
	flags.Usage = func() {
		fmt.Fprintln(flags.Output(), "usage: convert [-object name] [-o file] DATA_FOLDER")
		flags.PrintDefaults()
	}
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() != 1 {
		flags.Usage()
		return fmt.Errorf("one data folder wanted, %d arguments given", flags.NArg())
	}
	frame, err := rds.Object(flags.Arg(0), *object)
	if err != nil {
		return err
	}
	var csv bytes.Buffer
	if err := writeCSV(&csv, frame); err != nil {
		return fmt.Errorf("convert %s: %w", *object, err)
	}
	if *out == "" {
		_, err = stdout.Write(csv.Bytes())
		return err
	}
	return save(*out, csv.Bytes())
}

// save writes data to a file, compressed when the name ends in .gz. The gzip
// header carries no name and no time, so equal data give equal files.
func save(file string, data []byte) error {
	if strings.HasSuffix(file, ".gz") {
		var packed bytes.Buffer
		zip, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
		if err != nil {
			return err
		}
		if _, err := zip.Write(data); err != nil {
			return fmt.Errorf("compress %s: %w", file, err)
		}
		if err := zip.Close(); err != nil {
			return fmt.Errorf("compress %s: %w", file, err)
		}
		data = packed.Bytes()
	}
	return os.WriteFile(file, data, 0o644)
}
