import type { Logger } from 'pino';
import type { TracingSettings } from '../tracing-settings.ts';
import type { Tracing } from './tracing.ts';

/**
 * Starts the traces. Only then is OpenTelemetry's SDK loaded.
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
