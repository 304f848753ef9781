import { z } from 'zod';
import type { TlsDefaults } from './adapters/database/connection/tls-parameters.ts';

/** The settings about TLS of PostgreSQL, with the names of libpq's own variables. */
export const postgresTlsSettings = {
  /** Checked where a PostgreSQL url uses it, because psql's own value may be in the environment. */
  PGSSLMODE: z.string().optional(),
  PGSSLROOTCERT: z.string().optional(),
  PGSSLCERT: z.string().optional(),
  PGSSLKEY: z.string().optional(),
};

const settings = z.object(postgresTlsSettings);

/** Returns what the settings say as parameters of a PostgreSQL url. */
export function tlsDefaultsOf(values: z.infer<typeof settings>): TlsDefaults {
  return Object.freeze({
    ...(values.PGSSLMODE !== undefined && { sslmode: values.PGSSLMODE }),
    ...(values.PGSSLROOTCERT !== undefined && { sslrootcert: values.PGSSLROOTCERT }),
    ...(values.PGSSLCERT !== undefined && { sslcert: values.PGSSLCERT }),
    ...(values.PGSSLKEY !== undefined && { sslkey: values.PGSSLKEY }),
  });
}
