/** A schema registry with the Confluent interface: where consumers of a verified topic find its schema. */
export { openRegistry } from './open-registry.ts';
export { REGISTRY_VARIABLES } from './settings.ts';
