import { z } from 'zod';
import type { TlsDefaults } from './adapters/database/connection/tls-parameters.ts';

/** The settings about TLS of PostgreSQL, with the names of libpq's own variables. */
export const postgresTlsSettings = {
  /** Checked only when a PostgreSQL URL needs it, because psql may use the variable too. */
  PGSSLMODE: z.string().optional(),
  PGSSLROOTCERT: z.string().optional(),
  PGSSLCERT: z.string().optional(),
  PGSSLKEY: z.string().optional(),
};

const settings = z.object(postgresTlsSettings);

/** Returns the settings as parameters of a PostgreSQL URL. */
export function tlsDefaultsOf(values: z.infer<typeof settings>): TlsDefaults {
  return Object.freeze({
    ...(values.PGSSLMODE !== undefined && { sslmode: values.PGSSLMODE }),
    ...(values.PGSSLROOTCERT !== undefined && { sslrootcert: values.PGSSLROOTCERT }),
    ...(values.PGSSLCERT !== undefined && { sslcert: values.PGSSLCERT }),
    ...(values.PGSSLKEY !== undefined && { sslkey: values.PGSSLKEY }),
  });
}
