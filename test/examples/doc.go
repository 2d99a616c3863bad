// Package examples runs every example of the repository as a reader of its
// README does: the rollout file, the model servers and the clients as programs
// of their own, and Haldane between them. Only times and ports differ from the
// file.
//
// A good candidate must be promoted and a bad one taken back, because of the
// metric that is there to catch it, and everything that the models answer must
// have been read.
package examples
