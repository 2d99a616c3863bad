// Package elsewhere is the workload of models that run where Haldane does not
// see them: in the process of an application, in batches, or on a phone. There is
// nothing to start, to watch or to end, so an arm that is wanted is ready; whether
// it is well, what comes back from it must tell.
//
// A Workload is safe for concurrent use.
package elsewhere
