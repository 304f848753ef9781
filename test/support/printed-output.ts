import { beforeEach, vi } from 'vitest';

/** Keeps what each test of the block prints to stdout, and hides what it prints to stderr. */
export function capturePrinted(): { readonly text: string } {
  const printed = { text: '' };
  beforeEach(() => {
    printed.text = '';
    const write = vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
      printed.text += text;
      return true;
    });
    const hide = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
    return () => {
      write.mockRestore();
      hide.mockRestore();
    };
  });
  return printed;
}
