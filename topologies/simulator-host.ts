/** Every simulator of this installation, behind HTTP. */
import { openSimulatorHost, type SimulatorHost, type SimulatorHostOptions } from '#connectors/simulator';
import { registry } from './registry.ts';

export function hostSimulators(options: Omit<SimulatorHostOptions, 'engines'>): Promise<SimulatorHost> {
  return openSimulatorHost({ ...options, engines: registry.engines });
}
