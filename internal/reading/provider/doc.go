// Package provider reads numbers from the systems that measure them: Prometheus,
// JSON over HTTP, Datadog, CloudWatch and InfluxDB.
//
// Each constructor checks what can be checked without asking anybody, and returns
// a reading.Reader; those of systems that keep a history return a reading.Past.
// Everything goes through the HTTP client that is handed in, which says what
// addresses may be asked. Secrets are read when they are needed, again for every
// question, and are in no error.
//
// A query that yields more than one series is an error and no number: which of
// them was meant is for its author to say.
package provider
