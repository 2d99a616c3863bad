// Package openfeature tests Haldane's flag with OpenFeature's own Go SDK and its
// provider of the remote evaluation protocol. It is a module of its own, so that
// nobody who builds Haldane needs either.
package openfeature
