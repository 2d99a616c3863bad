// Package storetest holds the contract of store.Store and store.Journal as
// tests that every implementation runs.
package storetest
