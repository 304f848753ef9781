import { api } from './api.ts';
import { bytes, type Field, int16, int64, list, nullable, since, struct, text } from './codec.ts';

/** Requests that authenticate a connection. Source: Apache Kafka, message definitions. */
export const SASL_APIS = {
  SaslHandshake: api(
    17,
    [0, 1],
    2,
    struct({ mechanism: text }),
    struct({ errorCode: int16, mechanisms: list(text) }),
  ),
  SaslAuthenticate: api(
    36,
    [0, 1],
    2,
    struct({ bytes: bytes as Field<Buffer> }),
    struct({
      errorCode: int16,
      errorMessage: nullable,
      bytes,
      sessionLifetimeMs: since(1, int64, 0),
    }),
  ),
};
