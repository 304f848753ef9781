import { describe, expect, it } from 'vitest';
import { ConfigError } from '../../../src/config-error.ts';
import { findingOf } from '../../../src/doctor/finding.ts';
import { TroubleError } from '../../../src/service-layer/errors.ts';

const ADVICE = { risk: 'the service stops', otherwise: 'look at the log' };

describe('the finding of an error', () => {
  it.each([
    ['db: the server refuses the user (28P01). ', 'Check the password'],
    ['There is no database sqlite:///a.db: ', 'set DATABASE_URL'],
    ['Kafka at kafka-1.example.com:9093 is away. ', 'Start it. Wait'],
  ])('has the advice of the error as its remedy: %s%s', (what, advice) => {
    expect(findingOf(new TroubleError(what + advice, { advice }), ADVICE)).toEqual({
      problem: what.slice(0, -2),
      risk: 'the service stops',
      remedy: advice,
    });
  });

  it('has the advice of a cause, also of one among several', () => {
    const advice = 'Renew the certificate';
    const refused = new TroubleError(`Kafka at a:1: expired. ${advice}`, { advice });
    const cause = new AggregateError([new Error('away'), refused]);
    expect(
      findingOf(new TroubleError(`No broker answers: ${refused.message}`, { cause }), ADVICE),
    ).toEqual({
      problem: 'No broker answers: Kafka at a:1: expired',
      risk: 'the service stops',
      remedy: advice,
    });
  });

  it('shows the whole message if the advice is not its end', () => {
    const cause = new TroubleError('away. Start it', { advice: 'Start it' });
    const finding = findingOf(
      new Error('The log cannot be used (away. Start it)', { cause }),
      ADVICE,
    );
    expect(finding).toMatchObject({
      problem: 'The log cannot be used (away. Start it)',
      remedy: 'Start it',
    });
  });

  it.each([
    new Error('connect ECONNREFUSED 127.0.0.1:1'),
    new Error('It broke. Check the moon: set nothing'),
    new ConfigError('HTTP_PORT=x is not valid: must be a number'),
  ])('has the usual remedy if nobody gives advice: %s', (error) => {
    expect(findingOf(error, ADVICE)).toEqual({
      problem: error.message,
      risk: 'the service stops',
      remedy: 'look at the log',
    });
  });
});
