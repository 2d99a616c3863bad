// Package client reads and commands the rollouts of a cluster, for people: the
// same questions that internal/web/client puts to a haldane that runs by
// itself, put to the API server.
//
// A status is what the ModelRollout's status says now, completed from the
// RolloutState, which may be up to a minute older: counts and estimates come
// from there. History is the Events that the cluster still has; it drops them
// after an hour unless it was told otherwise.
//
// A command is a RolloutCommand signed with the caller's own name, for the
// revision that the caller can see. It is exactly-once and stays in the cluster:
// one that nobody answers in time may still be obeyed later, and the error says
// so.
//
// A Client decides nothing and keeps nothing. It is safe for concurrent use.
package client
