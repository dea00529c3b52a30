/** Loads the gateway and its HTTP client with the first that is opened: most runs ask no model, and every start would pay for it. */
import type { Endpoint, EndpointOptions } from './endpoint.ts';
import type { GatewayOptions, InferenceGateway } from './gateway-contract.ts';

/** See gateway.ts. */
export async function openGateway(options: GatewayOptions): Promise<InferenceGateway> {
  const gateway = await import('./gateway.ts');
  return gateway.openGateway(options);
}

/** See endpoint.ts. */
export async function openEndpoint(options: EndpointOptions): Promise<Endpoint> {
  const endpoint = await import('./endpoint.ts');
  return endpoint.openEndpoint(options);
}
