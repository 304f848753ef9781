// @module-tag db
// @module-tag slow

import { afterEach, expect, it } from 'vitest';
import { markerRecord } from '../../src/dead-letters/markers.ts';
import { readDeadLetters } from '../support/dead-letters.ts';
import { eventually } from '../support/eventually.ts';
import { order, ParkingRun } from '../support/parking-run.ts';
import { describeOnEachBroker } from '../support/running-service.ts';

describeOnEachBroker('when a handler fails on a command', (environment) => {
  let run: ParkingRun;

  afterEach(() => run[Symbol.asyncDispose]());

  it('only its product is parked, and a redrive sends the parked ones in order', async () => {
    run = await ParkingRun.start(environment);
    await run.running.send(
      order('poison', 'LAMP', 8),
      order('second'),
      order('elsewhere', 'SOFA'),
      order('third', 'LAMP', 2),
    );
    await run.running.send({ type: 'DeallocateOrder', id: 'fourth', orderid: 'second' });
    await run.running.idle();
    await eventually(() => expect(run.answeredIds()).toEqual(['LAMP', 'SOFA', 'elsewhere']));
    await eventually(() =>
      expect(run.reasons()).toEqual([
        'handler-failed',
        'parked-behind',
        'parked-behind',
        'parked-behind',
      ]),
    );

    const preview = await run.running.cli('dead-letters', 'redrive', '--sku', 'LAMP');
    expect(preview).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('Nothing is done yet'),
    });
    expect((preview.stdout.match(/AllocateOrder|DeallocateOrder/g) ?? []).length).toBe(4);
    run.bus.isMended = true;
    expect(
      await run.running.cli('dead-letters', 'redrive', '--sku', 'LAMP', '--execute'),
    ).toMatchObject({ code: 0, stderr: '' });
    await run.running.idle();
    await eventually(() =>
      expect(run.answeredIds().slice(3)).toEqual(['poison', 'second', 'third', 'fourth']),
    );
    // The third came after the second, so it found too little stock.
    expect(run.running.eventTypes().slice(3)).toEqual([
      'Allocated',
      'Allocated',
      'OutOfStock',
      'Deallocated',
    ]);
    expect((await run.running.cli('dead-letters', 'list')).stdout).toBe('No dead letters\n');
    await run.running.send(order('last'));
    await eventually(() => expect(run.answeredIds()).toContain('last'));
  }, 90_000);

  it('a discard of the failed command sends the parked ones in order', async () => {
    run = await ParkingRun.start(environment);
    await run.running.send(
      order('poison', 'LAMP', 8),
      order('second', 'LAMP', 9),
      order('third', 'LAMP', 2),
    );
    await run.running.idle();
    await eventually(() => expect(run.reasons()).toHaveLength(3));
    const { code, stdout } = await run.running.cli(
      'dead-letters',
      'discard',
      '--reason',
      'handler-failed',
      '--execute',
      '--json',
    );
    expect([
      code,
      stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line).result),
    ]).toEqual([0, ['redriven', 'redriven', 'discarded']]);
    await run.running.idle();
    await eventually(() => expect(run.answeredIds().slice(2)).toEqual(['second', 'third']));
    expect(run.running.eventTypes().slice(2)).toEqual(['Allocated', 'OutOfStock']);
  }, 90_000);

  it('a command that fails at each redrive is refused after the third time', async () => {
    run = await ParkingRun.start(environment);
    await run.running.send(order('poison'), order('second'));
    await run.running.idle();
    for (const time of [1, 2, 3]) {
      await eventually(() => expect(run.reasons()).toHaveLength(2 * time));
      const { code, stderr } = await run.running.cli(
        'dead-letters',
        'redrive',
        '--reason',
        'parked-behind',
        '--execute',
      );
      expect([code, stderr]).toEqual([
        1,
        expect.stringContaining('poison failed again: the handler has a bug'),
      ]);
    }
    await eventually(() => expect(run.reasons()).toHaveLength(8));
    expect(await run.running.cli('dead-letters', 'redrive', '--all', '--execute')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('--max-redrives 4'),
    });
    run.bus.isMended = true;
    expect(
      await run.running.cli('dead-letters', 'redrive', '--all', '--max-redrives', '4', '--execute'),
    ).toMatchObject({ code: 0 });
    await eventually(() => expect(run.answeredIds().slice(2)).toEqual(['poison', 'second']));
  }, 120_000);

  it('a redrive stops when parked commands wait for one that nobody answers', async () => {
    run = await ParkingRun.start(environment);
    await run.running.send(order('poison'), order('second'));
    await run.running.idle();
    const { broker } = run.running.service;
    // A killed redrive leaves this while the lane of the failed command waits for something else.
    const [poison] = await readDeadLetters(broker, run.running.config.deadLettersTopic);
    if (poison)
      await broker.publish(run.running.config.deadLettersTopic, [
        markerRecord(poison, 'redriven', 'somebody', new Date()),
      ]);
    expect(await run.running.cli('dead-letters', 'redrive', '--all', '--execute')).toMatchObject({
      code: 0,
      stderr: expect.stringContaining('not answered'),
    });
    await eventually(() =>
      expect(run.reasons()).toEqual(['handler-failed', 'parked-behind', 'parked-behind']),
    );
  }, 90_000);

  it('at PARKED_LIMIT the lane waits, says why, and goes on after a redrive', async () => {
    run = await ParkingRun.start({ ...environment, PARKED_LIMIT: '2' });
    await run.running.send(
      order('poison'),
      order('2'),
      order('3'),
      order('elsewhere', 'SOFA'),
      order('4'),
      order('later', 'SOFA'),
    );
    await eventually(
      () =>
        expect(run.running.service.consumer.problems().join()).toContain(
          '2 commands about LAMP are parked behind poison',
        ),
      {
        withinMs: 20_000,
      },
    );
    await eventually(() => expect(run.answeredIds()).toEqual(['LAMP', 'SOFA', 'elsewhere']));
    run.bus.isMended = true;
    expect(
      await run.running.cli('dead-letters', 'redrive', '--sku', 'LAMP', '--execute'),
    ).toMatchObject({ code: 0, stderr: '' });
    await run.running.idle();
    await eventually(() =>
      expect(run.answeredIds().slice(3)).toEqual(['later', 'poison', '2', '3', '4']),
    );
  }, 90_000);
});
