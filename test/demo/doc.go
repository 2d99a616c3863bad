// Package demo holds the test of what a newcomer does first: it runs the
// program's demo, every scenario, as a process of its own with the real models
// on the real data, and asks for the right ending by the right metric.
package demo
