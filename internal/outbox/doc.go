// Package outbox tells channels of a rollout's events, each once, in order, and
// none lost.
//
// An event stays in the rollout's state until every channel has been told
// (engine.Listeners): the state is the outbox, and this package empties it. Each
// channel has a position of its own there, the number of the newest event it
// need not hear again. So a channel that is down holds up no other, and nothing
// here ever holds up a rollout.
//
// A message that fails is tried again, with a pause that grows and varies, for
// as long as its event is in the state: its newest 256. What a channel refuses
// for good is not tried again. After a crash between a message and the save of
// its position it is sent again, under the same event ID; after an orderly end
// it is not.
//
// A Box is safe for concurrent use. Each channel has one message on its way at
// most.
package outbox
