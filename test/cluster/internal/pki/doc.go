// Package pki makes the keys and certificates of one cluster: one authority
// for servers and clients alike, and the key that signs service account
// tokens. Everything is made anew for each cluster and is worth nothing
// outside it. Its functions may be called from one goroutine at a time.
package pki
