import type { Logger } from 'pino';
import type { TracingSettings } from '../tracing-settings.ts';
import type { Tracing } from './tracing.ts';

/**
 * Starts tracing, if it is on. Only then does this function load OpenTelemetry's SDK.
 *
 * @param settings null: tracing is off
 * @returns null: tracing is off
 */
export async function startTracing(
  settings: TracingSettings | null,
  messagingSystem: Tracing['messagingSystem'],
  log: Logger,
): Promise<Tracing | null> {
  if (settings === null) return null;
  const { startSdk } = await import('./sdk.ts');
  return { ...startSdk(settings, log), messagingSystem };
}
