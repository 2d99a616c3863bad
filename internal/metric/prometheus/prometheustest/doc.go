// Package prometheustest is a Prometheus server of a test's own: it keeps the
// samples that it is given, and answers the two kinds of question that Haldane
// asks, raw samples over a range of time and the newest of them.
//
// It reads expositions with the project's own parser of the format, so that what a
// system documents can be fed to it as it is. A Server is safe for concurrent use.
package prometheustest
