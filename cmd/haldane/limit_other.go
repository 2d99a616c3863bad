//go:build !unix

package main

// ignoreFileSizeLimit has nothing to do: there is no such limit.
func ignoreFileSizeLimit() {}
