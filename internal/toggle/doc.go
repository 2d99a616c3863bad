// Package toggle lets a switch that somebody else keeps, a feature flag or a
// file, hold a rollout or take its candidate back.
//
// A [Switch] is read over and over, by a goroutine of its own, and never while
// the loop waits. What was read last stands for three times the time between two
// readings; after that, and before the first, nothing is known, and Config.Hold
// says what that means.
//
// A Switch is safe for concurrent use.
package toggle
