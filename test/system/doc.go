// Package system tests the program as people run it: the real binary, built
// once, with its files, its ports and its processes. Models are plain JSON
// servers, in this process or as commands of the same test binary.
//
// Nothing here decides by time: a test waits for what the program says, and the
// deadlines are only there to fail.
package system
