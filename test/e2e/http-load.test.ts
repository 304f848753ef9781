// @module-tag db
// @module-tag slow
// @module-tag campaign

import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import type { HttpLoad, HttpLoadResult } from '../support/http-load-client.ts';
import { ServiceProcess, stopped } from '../support/service-process.ts';

/** What clients ask of the doors in a run of all tests, and with FAULTS=all. */
const LOAD: HttpLoad =
  process.env.FAULTS === 'all'
    ? { connections: 1_000, streams: 200, requestsPerSecond: 10_000, seconds: 60 }
    : { connections: 100, streams: 80, requestsPerSecond: 500, seconds: 15 };

/** What docs/security.md promises. */
const MAX_STREAMS = 64;
const MIB = 1024 * 1024;
/**
 * How much the memory of the service may grow between the first and the last third of the load.
 * Streams may have 1 MiB each that nobody reads. The heap of V8 breathes by some dozens of MiB.
 */
const MOST_GROWTH_BYTES = (MAX_STREAMS + 64) * MIB;
const LOOK_MS = 250;
/** A client of its own, so that the rate limit of the load does not count its requests. */
const HOST = '127.0.0.9';
const WAIT_S = 10;
const TIMEOUT_MS = 300_000;

const program = fileURLToPath(new URL('../support/http-load-client.ts', import.meta.url));

/** Runs the load in a process of its own. @returns what its clients have seen */
async function run(url: string, load: HttpLoad): Promise<HttpLoadResult> {
  const child = spawn(process.execPath, [program, JSON.stringify({ url, ...load })], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  for await (const line of createInterface({ input: child.stdout }))
    return JSON.parse(line) as HttpLoadResult;
  throw new Error('The load has ended without a result: its output has the reason');
}

/** Sends a request from `HOST`. @returns the status and the body of the answer */
function ask(url: string, body: string | null = null): Promise<{ status: number; text: string }> {
  const headers = body === null ? {} : { 'content-type': 'application/json' };
  const options = { method: body === null ? 'GET' : 'POST', headers, localAddress: HOST };
  return new Promise((resolve, reject) => {
    const sending = request(url, options, async (response) => {
      const text = (await response.setEncoding('utf8').toArray()).join('');
      resolve({ status: response.statusCode ?? 0, text });
    });
    sending.once('error', reject).end(body);
  });
}

/** Returns the address of the probes, which have a port of their own. */
function probesOf({ output }: ServiceProcess): string {
  const line = output.find((each) => each.includes('Probes and metrics listen on')) ?? '{}';
  return JSON.parse(line).url;
}

/** Returns how much of the machine's memory the process has, in bytes. */
async function memoryOf({ pid }: ServiceProcess): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) * 1_024;
}

it(
  'answers commands and probes in bounded memory, whatever HTTP clients do',
  async () => {
    const directory = await mkdtemp(join(tmpdir(), 'allocation-load-'));
    const environment = {
      DATABASE_URL: `sqlite:///${join(directory, 'stock.db')}`,
      METRICS_PORT: '0',
    };
    const memory: number[] = [];
    const probed: number[] = [];
    const answered: string[] = [];
    try {
      await using service = await ServiceProcess.start(environment, directory);
      const probes = probesOf(service);
      const command = async (body: object) => {
        const { text } = await ask(`${service.url}/commands?wait=${WAIT_S}s`, JSON.stringify(body));
        return String(JSON.parse(text).status);
      };
      const batch = { type: 'CreateBatch', reference: 'b', sku: 'LOAD', quantity: 1_000_000 };
      expect(await command(batch)).toBe('answered');
      let isOver = false;
      const load = run(service.url, LOAD).finally(() => {
        isOver = true;
      });
      for (let order = 0; !isOver; order += 1) {
        answered.push(
          await command({ type: 'AllocateOrder', orderid: `order-${order}`, sku: 'LOAD', qty: 1 }),
        );
        for (const probe of ['healthz', 'readyz'])
          probed.push((await ask(`${probes}/${probe}`)).status);
        memory.push(await memoryOf(service));
        await sleep(LOOK_MS);
      }
      const { slow, streams, requests } = await load;
      await stopped(service);

      const third = Math.floor(memory.length / 3);
      const mostIn = (samples: readonly number[]) => Math.max(...samples);
      const growth = mostIn(memory.slice(-third)) - mostIn(memory.slice(0, third));
      process.stdout.write(
        `${JSON.stringify({ load: LOAD, slow, streams, requests, growthMiB: growth / MIB })}\n`,
      );
      expect(memory.every((bytes) => bytes > 0)).toBe(true);
      expect(growth).toBeLessThan(MOST_GROWTH_BYTES);
      expect(new Set(answered)).toEqual(new Set(['answered']));
      expect(new Set(probed)).toEqual(new Set([200]));
      expect(slow.open).toBe(0);
      expect(slow.opened).toBeGreaterThanOrEqual(LOAD.connections);
      expect(slow.timedOut).toBeGreaterThan(0);
      expect(streams[200]).toBe(Math.min(LOAD.streams, MAX_STREAMS));
      // A connection that breaks has the status 0. Too many requests have 429.
      const statuses = Object.keys(requests).filter((status) => !['200', '429'].includes(status));
      expect(statuses).toEqual([]);
      expect(requests[200]).toBeGreaterThan(LOAD.seconds);
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  },
  TIMEOUT_MS,
);
