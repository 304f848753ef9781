import { openSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { WriteStream } from 'node:tty';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createLog } from '../../src/log.ts';

describe('The log', () => {
  let folder: string;
  let file: string;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'allocation-log-'));
    file = join(folder, 'log');
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  const logged = (terminal: object, message: string) => {
    createLog('info', { fd: openSync(file, 'w'), ...terminal }).info({ sku: 'LAMP' }, message);
    return readFileSync(file, 'utf8');
  };
  /** A terminal, as Node sees it in this environment. */
  const terminalIn = (environment: object) => ({
    isTTY: true,
    hasColors: () =>
      WriteStream.prototype.hasColors.call(WriteStream.prototype, 16, {
        TERM: 'xterm',
        ...environment,
      }),
  });

  it('is JSON where it does not go to a terminal', () => {
    expect(JSON.parse(logged({}, 'Stopped'))).toMatchObject({ sku: 'LAMP', msg: 'Stopped' });
  });

  it('has colours on a terminal', () => {
    expect(logged(terminalIn({}), 'Stopped')).toContain('\u001b[');
  });

  it('has no colours on a terminal with NO_COLOR', () => {
    const text = logged(terminalIn({ NO_COLOR: '1' }), 'Stopped');
    expect(text).toContain('INFO: Stopped');
    expect(text).not.toContain('\u001b');
  });

  it('has no control character in its JSON, and keeps the text', () => {
    const hostile = 'a\u009b31m\u202e\u001b[2J\r\nb';
    const text = logged({}, hostile);
    expect(text).toMatch(/^[^\p{Cc}\u202e]+\n$/u);
    expect(JSON.parse(text)).toMatchObject({ msg: hostile });
  });

  it('indents what follows a line feed in a message on a terminal', () => {
    const text = logged(terminalIn({ NO_COLOR: '1' }), 'a\n[12:00:00] INFO: forged');
    expect(text).toContain('INFO: a\n    [12:00:00] INFO: forged\n');
  });

  it('shows control characters of its messages as escapes on a terminal', () => {
    const text = logged(terminalIn({ NO_COLOR: '1' }), 'a\u001b[2J\u202eb');
    expect(text).toContain('INFO: a\\u001b[2J\\u202eb');
  });
});
