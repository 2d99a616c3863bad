// Package nginx splits traffic by the canary annotations of NGINX ingress
// controllers (nginx.ingress.kubernetes.io/canary…), which others understand
// too.
//
// The user's Ingress is only read. A second one, named like the canary Service
// and made by Haldane, has its hosts and paths that lead to the workload's
// Service, with the canary Service behind them. It is there only while the
// canary may be reached, and carries the weight, one header and one cookie.
//
// What the annotations can say of forced requests is little, and everything
// else is refused: always by one header (exact, prefix, regex or presence);
// always by one cookie whose value is "always"; never by the same header or
// cookie whose value is "never", if always names it with the value "always". A
// cookie of always keeps its bearer on stable if its value is "never", whether
// never says so or not. Forced requests cannot be counted apart.
//
// These controllers report nothing about a change: what has stood for
// object.SettleTime is taken to be carried.
//
// While the user's Ingress leads to a Service that selects the candidate's pods
// as well, the weight would not be the candidate's share: nothing above 0% is
// applied, and the condition RouteRefused says what to change.
//
// Which split was asked for last is remembered in Notes before it is applied:
// at weight 0 there is no object to carry it. All methods are safe for
// concurrent use.
package nginx
