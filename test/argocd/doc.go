// Package argocd runs the health checks that are shipped for Argo CD in Lua, as
// Argo CD does: by gopher-lua. It is a module of its own, so that nothing else
// depends on an interpreter.
package argocd
