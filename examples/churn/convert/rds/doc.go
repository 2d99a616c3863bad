// Package rds reads the part of R's serialisation format that data frames
// need, so that a data set packed in an R package can be used without R.
//
// It owns two formats:
//
//   - the XDR form of serialize(), versions 2 and 3: vectors (logical,
//     integer, double, character, list), pairlists of attributes, symbols,
//     factors and missing values;
//   - the lazy-load database of an installed package: an index file (.rdx)
//     that names objects, and a data file (.rdb) that holds each of them
//     compressed (zlib or LZMA2) behind its uncompressed length.
//
// The source for both is the manual "R Internals", sections "Serialization
// Formats" and "Lazy loading". Functions, environments, raw and complex
// vectors are refused by name rather than skipped: skipping would lose the
// reader's place.
//
// Invariants: input is never trusted. A length is compared with the bytes that
// are left before memory is taken for it, nesting is limited, and every error
// says at which byte reading stopped. Nothing here keeps state between calls,
// so all functions may be called from any number of goroutines.
package rds
