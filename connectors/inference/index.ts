/** Models behind OpenAI-compatible servers: the gateway that asks, signs, records and then answers. Its replay is `recordedGateway` of the engine. */
export type { Endpoint, EndpointEvent, EndpointOptions } from './endpoint.ts';
export { endpointNames } from './endpoint-names.ts';
export { openEndpoint, openGateway } from './open.ts';
export type { GatewayCounts, GatewayOptions, InferenceGateway } from './gateway-contract.ts';
export type { CallResult, ServerCall, Transport } from './http-call.ts';
export { ModelPace } from './model-pace.ts';
export { resolveModels } from './model-server.ts';
export type { Timing } from './timing.ts';
