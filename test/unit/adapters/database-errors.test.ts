import { expect, it } from 'vitest';
import { translate } from '../../../src/adapters/database/errors.ts';
import { SlowStatementError, TroubleError } from '../../../src/service-layer/errors.ts';

const errorWith = (code: string) => Object.assign(new Error('from the server'), { code });

it('a statement that the server ends at its time-out is told from other trouble', () => {
  const slow = translate(errorWith('57014'));
  expect(slow).toBeInstanceOf(SlowStatementError);
  expect((slow as Error).message).toContain('DATABASE_TIMEOUT_MS');
  const lost = translate(errorWith('57P01'));
  expect(lost).toBeInstanceOf(TroubleError);
  expect(lost).not.toBeInstanceOf(SlowStatementError);
});
