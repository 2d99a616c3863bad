// Package client speaks Haldane's API: it is what the commands are made of.
//
// It owns addresses, the token, and the words a person is given when something
// is in the way. It knows nothing of what rollouts mean. A Client is safe for
// concurrent use; every method ends when its context does.
package client
