// Package appmesh splits traffic by the weighted targets of one route of a
// VirtualRouter of AWS App Mesh (appmesh.k8s.aws/v1beta2).
//
// Legacy: AWS ended App Mesh on 30 September 2026, so this adapter is proven on
// the object alone and off unless the operator turns it on. It will gain
// nothing new.
//
// The VirtualRouter is the user's; its list of routes is taken over and given
// back on release. The route that the file names is split between the virtual
// nodes of the arms; the others stay as they are. Routes for forced requests
// are like it with one header more, and come right before it by priority. They
// cannot be counted apart. Weights are whole percents.
//
// A split is Accepted when the controller of App Mesh says that the
// VirtualRouter is active, about its present generation.
//
// All methods are safe for concurrent use.
package appmesh
