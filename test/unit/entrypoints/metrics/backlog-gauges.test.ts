import { describe, expect, it } from 'vitest';
import { metricsOf, scrape } from '../../../support/metrics.ts';

const BACKLOG = { outboxRows: 3, outboxBytes: 4_096, parkedCommands: 7, parkedProducts: 2 };

describe('What waits in the database', () => {
  it('is exported as it was at the scrape before', async () => {
    const metrics = metricsOf({ backlog: async () => BACKLOG, parkedCommandsLimit: 100 });
    expect(await scrape(metrics, 'allocation_outbox_rows')).toEqual([]);
    expect(await scrape(metrics, 'allocation_outbox_')).toEqual([
      'allocation_outbox_rows 3',
      'allocation_outbox_bytes 4096',
    ]);
    expect(await scrape(metrics, 'allocation_parked_')).toEqual([
      'allocation_parked_commands 7',
      'allocation_parked_products 2',
      'allocation_parked_commands_limit 100',
    ]);
  });

  it('holds no scrape back while the database is silent', async () => {
    let questions = 0;
    const metrics = metricsOf({
      backlog: () => {
        questions += 1;
        return new Promise(() => {});
      },
    });
    expect(await scrape(metrics, 'allocation_build_info')).toHaveLength(1);
    expect(await scrape(metrics, 'allocation_outbox_rows')).toEqual([]);
    expect(questions).toBe(1);
  });
});

describe('Open dead letters', () => {
  const open = (reason: string, count: number, ageSeconds: number) => ({
    reason,
    count,
    oldestMs: Date.now() - ageSeconds * 1_000,
  });

  it('are absent while nobody has read their topic', async () => {
    const metrics = metricsOf({ openLetters: () => null });
    expect(await scrape(metrics, 'allocation_open_dead_letter')).toEqual([]);
  });

  it('are counted by reason, with the age of the oldest', async () => {
    const metrics = metricsOf({ openLetters: () => [open('malformed', 4, 30)] });
    const lines = await scrape(metrics, 'allocation_open_dead_letter');
    expect(lines).toContain('allocation_open_dead_letters{reason="malformed"} 4');
    expect(lines).toContain('allocation_open_dead_letters{reason="handler-failed"} 0');
    expect(lines.filter((line) => line.includes('_oldest_'))).toEqual([
      expect.stringMatching(
        /^allocation_open_dead_letter_oldest_seconds\{reason="malformed"\} 3\d/,
      ),
    ]);
  });

  it('that the index has no room for are counted, without an age', async () => {
    const metrics = metricsOf({
      openLetters: () => [{ reason: 'malformed', count: 2, oldestMs: null }],
    });
    const lines = await scrape(metrics, 'allocation_open_dead_letter');
    expect(lines).toContain('allocation_open_dead_letters{reason="malformed"} 2');
    expect(lines.filter((line) => line.includes('_oldest_'))).toEqual([]);
  });

  it('with a foreign reason are counted together', async () => {
    const metrics = metricsOf({ openLetters: () => [open('x"} 1', 4, 90), open('y', 1, 30)] });
    const lines = await scrape(metrics, 'allocation_open_dead_letter');
    expect(lines).toContain('allocation_open_dead_letters{reason="other"} 5');
    expect(lines.filter((line) => line.includes('_oldest_'))).toEqual([
      expect.stringMatching(/^allocation_open_dead_letter_oldest_seconds\{reason="other"\} 9\d/),
    ]);
  });
});
