// Package inference reads what a request and a response of a served model say:
// which protocol is spoken, which record is asked about, and the class,
// confidence or value of every prediction answered.
//
// It does no I/O and keeps no clock. Bodies are given by the caller, already
// without Content-Encoding; nothing of them is changed or kept. What cannot be
// read is said to be unread and is never an error of the model.
package inference
