// @module-tag db
// @module-tag slow

import { afterEach, expect, it } from 'vitest';
import { type Release, releaseParked } from '../../src/adapters/database/lanes/parked-release.ts';
import type { Broker } from '../../src/service-layer/broker.ts';
import { readTopic } from '../support/dead-letters.ts';
import { eventually } from '../support/eventually.ts';
import { over } from '../support/over.ts';
import { order, ParkingRun } from '../support/parking-run.ts';
import { describeOnEachBroker } from '../support/running-service.ts';

describeOnEachBroker('when an operator corrects a failed command', (environment) => {
  let run: ParkingRun;

  afterEach(() => run[Symbol.asyncDispose]());

  it('a corrected command takes its place, with an id of its own', async () => {
    run = await ParkingRun.start(environment);
    await run.running.send(order('poison', 'LAMP', 8), order('second', 'LAMP', 9));
    await run.running.idle();
    await eventually(() => expect(run.reasons()).toHaveLength(2));
    const corrected = JSON.stringify({
      type: 'AllocateOrder',
      orderid: 'mended',
      sku: 'LAMP',
      qty: 8,
    });
    expect(await run.edit('{"type":"Nothing"}', '--execute')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('nothing was sent'),
    });
    const preview = await run.edit(corrected);
    const inItsPlace = /poison\/edited-1-\w{8} is sent instead of poison:\n(.*)\n/;
    expect(preview.stdout.match(inItsPlace)?.[1]).toBe(corrected);
    expect(await run.edit(corrected, '--execute')).toMatchObject({ code: 0 });
    await eventually(() =>
      expect(run.answeredIds().slice(2)).toEqual([
        expect.stringMatching(/^poison\/edited-1-/),
        'second',
      ]),
    );
    expect(run.running.eventTypes().slice(2)).toEqual(['Allocated', 'OutOfStock']);
    expect(String(run.running.events[2]?.headers.ce_correlationid)).toBe('poison');
    const commands = await readTopic(run.running.service.broker, run.running.config.commandsTopic);
    const correction = commands.find(({ headers }) =>
      String(headers.ce_id).startsWith('poison/edited-1-'),
    );
    expect(String(correction?.headers.ce_originalid)).toBe('poison');
  }, 90_000);

  it('a corrected command that fails again is reported, and the parked ones wait', async () => {
    run = await ParkingRun.start(environment);
    await run.running.send(order('poison'), order('second'));
    await run.running.idle();
    await eventually(() => expect(run.reasons()).toHaveLength(2));
    const stillWrong = JSON.stringify(order('poison', 'LAMP', 2));
    const { code, stderr } = await run.edit(stillWrong, '--execute');
    expect([code, stderr]).toEqual([
      1,
      expect.stringMatching(/^error: poison\/edited-1\S* failed again: the handler has a bug/),
    ]);
    await eventually(() =>
      expect(run.reasons().slice(2)).toEqual(['handler-failed', 'parked-behind']),
    );
    run.bus.isMended = true;
    expect(await run.running.cli('dead-letters', 'redrive', '--all', '--execute')).toMatchObject({
      code: 0,
      stderr: '',
    });
    await eventually(() =>
      expect(run.answeredIds().slice(2)).toEqual([
        expect.stringMatching(/^poison\/edited-1/),
        'second',
      ]),
    );
  }, 90_000);

  it('what is parked behind an unanswered correction alone is sent after it', async () => {
    run = await ParkingRun.start(environment);
    await run.running.send(order('poison'));
    await run.running.idle();
    await eventually(() => expect(run.reasons()).toHaveLength(1));
    await run.redriveEdit(order('mended'), async (release) => {
      await releaseParked(run.running.service.database, release);
      await run.running.send(order('meanwhile'));
      await eventually(() => expect(run.reasons()).toEqual(['handler-failed', 'parked-behind']));
    });
    await eventually(() =>
      expect(run.answeredIds().slice(2)).toEqual([
        expect.stringMatching(/^poison\/edited-1/),
        'meanwhile',
      ]),
    );
    expect((await run.running.cli('dead-letters', 'list')).stdout).toBe('No dead letters\n');
  }, 90_000);

  it('after a crash before a correction is sent, a redrive or discard replaces it', async () => {
    run = await ParkingRun.start(environment);
    const crash = async () => {
      const told = run.redriveEdit(order('mended'), async (release) => {
        await releaseParked(run.running.service.database, release);
        throw new Error('crashed');
      });
      await expect(told).rejects.toThrow('crashed');
    };
    await run.running.send(order('poison'), order('second'));
    await run.running.idle();
    await eventually(() => expect(run.reasons()).toHaveLength(2));
    await crash();
    const itself = await run.running.cli('dead-letters', 'redrive', '--id', 'poison', '--execute');
    expect(itself).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('poison failed again'),
    });
    await crash();
    const better = JSON.stringify(order('better'));
    expect(await run.edit(better, '--execute')).toMatchObject({
      code: 0,
      stderr: '',
    });
    await eventually(() =>
      expect(run.answeredIds().slice(2)).toEqual([
        expect.stringMatching(/^poison\/edited-2/),
        'second',
      ]),
    );

    await run.running.send(order('poison'), order('third'));
    await eventually(() => expect(run.reasons()).toHaveLength(6));
    await crash();
    expect(
      await run.running.cli('dead-letters', 'discard', '--id', 'poison', '--execute'),
    ).toMatchObject({ code: 0, stderr: '' });
    await eventually(() => expect(run.answeredIds().slice(4)).toEqual(['third']));
  }, 90_000);

  it('after a crash before its marker, a correction sent again changes nothing', async () => {
    run = await ParkingRun.start(environment);
    await run.running.send(order('poison'));
    await run.running.idle();
    await eventually(() => expect(run.reasons()).toHaveLength(1));
    const { broker, database } = run.running.service;
    const publish: Broker['publish'] = (topic, records) =>
      topic === run.running.config.deadLettersTopic
        ? Promise.reject(new Error('crashed'))
        : broker.publish(topic, records);
    const tell = async (release: Release) => void (await releaseParked(database, release));
    for (let time = 0; time < 2; time++)
      await expect(
        run.redriveEdit(order('mended'), tell, over(broker, { publish })),
      ).rejects.toThrow('crashed');
    await run.running.idle();
    await run.redriveEdit(order('better'), tell);
    await run.running.send(order('last'));
    await eventually(() => expect(run.answeredIds()).toContain('last'));
    expect(
      run.running.events.slice(2, -1).map(({ value }) => JSON.parse(String(value)).orderid),
    ).toEqual(['mended', 'better']);
  }, 90_000);
});
