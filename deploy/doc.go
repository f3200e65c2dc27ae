// Package deploy holds no code: its tests hold what lies here against the
// program and the tools that read it. Sample configurations must be good, alert
// rules and dashboard may only use metrics that exist, and the metrics
// themselves must follow the rules of Prometheus.
package deploy
