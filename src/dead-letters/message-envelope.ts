import { type Envelope, MalformedMessageError, readEnvelope } from '../messages/cloud-events.ts';
import type { Headers } from '../service-layer/records.ts';

/** Reads the message's envelope. Null: the message is malformed. */
export function envelopeOf(message: {
  readonly value: Buffer | null;
  readonly headers: Headers;
}): Envelope | null {
  try {
    return readEnvelope(message);
  } catch (error) {
    if (error instanceof MalformedMessageError) return null;
    throw error;
  }
}
