// Package v1alpha1 is the one document a user writes: the ModelRollout.
//
// It owns the shape of the file, its defaults, and what is refused. Load reads
// YAML or JSON strictly: a field that is not known, of the wrong type, or in
// contradiction with another is an error that names the field's path and line
// and says what to write instead; nothing is dropped or downgraded silently.
//
// The types are plain data. Nothing here does I/O beyond Load's reader, and
// everything is safe for concurrent use as long as nobody writes.
package v1alpha1
