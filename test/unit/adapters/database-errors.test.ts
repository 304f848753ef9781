import { expect, it } from 'vitest';
import { translate } from '../../../src/adapters/database/errors.ts';
import { SlowTransactionError, TroubleError } from '../../../src/service-layer/errors.ts';

const errorWith = (code: string) => Object.assign(new Error('from the server'), { code });

it.each([
  ['57014', 'DATABASE_TIMEOUT_MS'],
  ['25P03', 'this process was busy or stopped'],
])(
  'a transaction that the server ends at a time-out (%s) is told from other trouble',
  (code, why) => {
    const slow = translate(errorWith(code));
    expect(slow).toBeInstanceOf(SlowTransactionError);
    expect((slow as Error).message).toContain(why);
    const lost = translate(errorWith('57P01'));
    expect(lost).toBeInstanceOf(TroubleError);
    expect(lost).not.toBeInstanceOf(SlowTransactionError);
  },
);
