// Package churn is Haldane's worked example: a model that tells which customers
// of a telephone company are about to leave, in several versions of which most
// have something wrong with them, on real data with real labels.
//
// It owns the data (7,043 customers, embedded), their split into training and
// held-out customers, the fitted models (embedded; written by
// examples/churn/train) and a server that answers for one of them in the Open
// Inference Protocol v2 and in MLflow's scoring protocol.
//
// The versions are what their names say: v1 is the first one, good is better,
// wrong reads two columns swapped, slow waits for a feature store, errors
// cannot score some customers, drift answers "yes" far too often. Each is a
// real logistic regression behind real code paths. None knows how it is being
// watched, and no answer is made up.
//
// Invariants: nothing depends on the time or on chance but the length of the
// feature store's wait; the held-out customers take no part in fitting; equal
// requests to one version get equal answers.
//
// Concurrency: loaded data and models never change. Everything may be used
// from any number of goroutines.
package churn
