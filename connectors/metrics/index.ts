/** Watching a process: metrics for Prometheus, health and readiness over HTTP. */
export { metricsMarkdown } from './metric-table.ts';
export { type Metrics, openMetrics } from './open-metrics.ts';
