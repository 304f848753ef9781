import { describe, expect, it } from 'vitest';
import { findingOf } from '../../../src/doctor/finding.ts';

const ADVICE = { risk: 'the service stops', otherwise: 'look at the log' };

describe('the finding of an error', () => {
  it.each([
    ['db: the server refuses the user (28P01). Check the password', 'Check the password'],
    [
      'User:a lacks Read on the topic c. Grant it: kafka-acls.sh --add',
      'Grant it: kafka-acls.sh --add',
    ],
    ['Kafka at kafka-1.example.com:9093 is away. Start it. Wait', 'Start it. Wait'],
    ['There is no database sqlite:///a.db: set DATABASE_URL', 'set DATABASE_URL'],
    ['At db:5432: Connection terminated. Check the server', 'Check the server'],
  ])('has the advice in its message as the remedy: %s', (message, remedy) => {
    const finding = findingOf(new Error(message), ADVICE);
    const problem = message.slice(0, message.length - remedy.length).replace(/[.:] $/, '');
    expect(finding).toEqual({ problem, risk: 'the service stops', remedy });
  });

  it.each(['connect ECONNREFUSED 127.0.0.1:1', 'HTTP_PORT=x is not valid: must be a number'])(
    'has the usual remedy if its message has no advice: %s',
    (message) => {
      expect(findingOf(new Error(message), ADVICE)).toEqual({
        problem: message,
        risk: 'the service stops',
        remedy: 'look at the log',
      });
    },
  );
});
