// Package notify turns events into messages to people: Slack, Teams, Discord,
// Google Chat, PagerDuty, mail, and any receiver of JSON.
//
// Each notification is a channel of an outbox, which says when a message is
// sent, again if need be, and loses none. This package says what is sent and
// where. What goes over HTTP goes through the client that all rollouts share,
// with its bounds and the operator's list of addresses; mail goes through
// go-mail.
//
// Secrets (addresses of webhooks, keys, passwords) are read when a message is
// sent, never kept, and in no error and no log.
//
// Everything here is safe for concurrent use.
package notify
