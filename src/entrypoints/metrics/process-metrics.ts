import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { collectDefaultMetrics } from 'prom-client';
import { packageVersion } from '../../package-version.ts';
import type { MetricBook, Sample } from './book.ts';
import { Reading } from './reading.ts';

const CERTIFICATES = [
  'http',
  'kafka-client',
  'kafka-ca',
  'postgresql-client',
  'postgresql-ca',
] as const;

/** A file with certificates that the service uses. */
export interface CertificateFile {
  readonly use: (typeof CERTIFICATES)[number];
  readonly path: string;
}

export interface ProcessSources {
  /** What keeps the service from answering commands, as far as the process knows. */
  readonly problems: () => readonly string[];
  readonly eventStreams: () => number;
  /** How often the database failed, by every name that a failure may have. */
  readonly databaseErrors: ReadonlyMap<string, number>;
  /** How often Kafka failed, by every name that a failure may have. */
  readonly brokerErrors: ReadonlyMap<string, number>;
  readonly certificates: readonly CertificateFile[];
}

/** Exports what concerns the process as a whole. */
export function exportProcess(book: MetricBook, sources: ProcessSources): void {
  book.gauge(
    {
      name: 'allocation_build_info',
      help: 'Is always 1; the labels say what runs',
      labels: { version: 'the version of the service', node: 'the version of Node' },
    },
    () => [{ labels: BUILD, value: 1 }],
  );
  book.gauge(
    {
      name: 'allocation_ready',
      help:
        'Whether nothing keeps this process from answering commands: 1 or 0. Unlike /readyz, ' +
        'this asks neither the database nor the log',
    },
    () => [{ value: sources.problems().length === 0 ? 1 : 0 }],
  );
  book.gauge({ name: 'allocation_event_streams', help: 'Open streams of GET /events' }, () => [
    { value: sources.eventStreams() },
  ]);
  exportErrors(book, sources);
  exportCertificates(book, sources.certificates);
  collectDefaultMetrics({ register: book.registry });
}

const BUILD = { version: packageVersion(), node: process.versions.node };

function exportErrors(book: MetricBook, { databaseErrors, brokerErrors }: ProcessSources): void {
  book.counted(
    {
      name: 'allocation_database_errors_total',
      help: 'Errors of the database that time may mend, also those that a second attempt mended',
      labels: { code: [...databaseErrors.keys()] },
    },
    () => samplesOf(databaseErrors),
  );
  book.counted(
    {
      name: 'allocation_broker_errors_total',
      help: 'Errors of Kafka, also those that a second attempt mended',
      labels: { code: [...brokerErrors.keys()] },
    },
    () => samplesOf(brokerErrors),
  );
}

function samplesOf(counts: ReadonlyMap<string, number>): readonly Sample[] {
  return [...counts].map(([code, value]) => ({ labels: { code }, value }));
}

function exportCertificates(book: MetricBook, files: readonly CertificateFile[]): void {
  const expiries = files.map(({ use, path }) => ({
    use,
    expiry: new Reading(async () => firstExpiry(await readFile(path, 'utf8'))),
  }));
  book.gauge(
    {
      name: 'allocation_certificate_expiry_timestamp_seconds',
      help:
        'When the certificate in a file of the service expires, in seconds since 1970. If the ' +
        'file has several certificates, the first to expire counts',
      labels: { certificate: CERTIFICATES },
    },
    () =>
      expiries.flatMap(({ use, expiry }) => {
        const value = expiry.take();
        return value === null ? [] : [{ labels: { certificate: use }, value }];
      }),
  );
}

const PEM = /-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----/gs;

/** Returns when the first of the certificates expires. @throws the text has no certificate */
function firstExpiry(text: string): number {
  const expiries = (text.match(PEM) ?? []).map(
    (each) => new X509Certificate(each).validToDate.getTime() / 1_000,
  );
  if (expiries.length === 0) throw new Error('The file has no certificate');
  return Math.min(...expiries);
}
