// Package cli is the commands a person or a pipeline types.
//
// It owns flags, exit codes and how things look in a terminal and in a pipe.
// The commands that ask a running rollout speak to it over its API; those that
// start one do so through a Program, which is given. Nothing is decided here.
package cli
