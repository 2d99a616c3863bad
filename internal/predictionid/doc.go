// Package predictionid encodes and verifies self-contained prediction IDs.
//
// A prediction ID says by itself which rollout, revision and arm answered a
// request, when, and what was predicted, and carries a MAC over all of it.
// Feedback that quotes an ID can therefore be attributed by any replica that
// holds the key, with no shared database.
//
// # Format
//
// An ID is unpadded URL-safe base64 (RFC 4648 §5) of, big-endian:
//
//	version   1 byte, 1 without a group and 2 with one
//	flags     1 byte, bits 0-2 are [Flags], bit 7: a score is present
//	rollout   4 bytes
//	revision  4 bytes
//	arm       1 byte
//	time      6 bytes, milliseconds since the Unix epoch
//	nonce     8 bytes
//	count     2 bytes, predictions answered under this ID
//	score     4 bytes, IEEE 754 binary32, zero when absent
//	length    1 byte, of the class
//	group     1 byte, in version 2 alone: the group of users, from 1
//	class     up to 32 bytes
//	MAC       16 bytes, HMAC-SHA256 over everything before it, truncated
//
// The shortest ID has 64 characters, the longest 108. It contains only
// letters, digits, "-" and "_", so it may stand in a header, a URL or a cookie.
//
// Version 2 differs from version 1 by the group alone, and an ID without a group
// is of version 1: where users do not stay on their arm, IDs are what they always
// were. Both are read, for ever; a release that knows version 1 alone takes an ID
// of version 2 for malformed.
//
// # Batches and streams
//
// A batched request is answered under one ID that carries the number of its
// predictions; prediction i is addressed as "<id>.<i>". Classes differ from one
// item to the next, so an ID with a count above one carries neither class nor
// score. The same holds for an ID that must be sent in a header before the body
// is known, as with a streamed response: Class is then empty and HasScore false,
// and the reader of feedback must learn the prediction elsewhere or do without.
//
// # What an ID does not do
//
// The content is authenticated, not encrypted: whoever sees an ID can read the
// arm and the class. An ID also stays valid for ever; how long feedback is
// accepted, and that it is counted once, are the receiver's business.
//
// A [Codec] is safe for concurrent use.
package predictionid
