// Package docs holds the documentation to what a machine can tell of it: links
// lead somewhere, rollout files are read by the reader, commands have the flags
// that are written there, and the files, tests and make targets that are named
// exist.
//
// It has tests alone. What pages claim of behaviour is tested where it lives;
// the table of features in README.md names those tests.
package docs
