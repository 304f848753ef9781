import { readFile } from 'node:fs/promises';
import type { Logger } from 'pino';

/** How long a renewed file may go unnoticed. */
const LOOK_MS = 2_000;

/**
 * Reads files that somebody renews while the service runs, and reads them again when they change.
 * Comparing the texts finds each change: Kubernetes exchanges a link, which watchers miss.
 */
export class RenewedFiles {
  readonly #paths: readonly string[];
  readonly #apply: (texts: readonly string[]) => void;
  readonly #log: Logger;
  #texts: readonly string[] = [];
  #problem = '';
  #timer: NodeJS.Timeout | undefined;

  /**
   * @param apply puts the texts into use; if it throws, the former texts stay in use
   */
  constructor(paths: readonly string[], apply: (texts: readonly string[]) => void, log: Logger) {
    this.#paths = paths;
    this.#apply = apply;
    this.#log = log;
  }

  /** Puts the files into use, and follows them. @throws a file is unreadable, or `apply` throws */
  async open(): Promise<void> {
    const texts = await this.#read();
    this.#apply(texts);
    this.#texts = texts;
    this.#lookLater();
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #lookLater(): void {
    this.#timer = setTimeout(() => void this.#look(), LOOK_MS).unref();
  }

  async #look(): Promise<void> {
    const files = this.#paths.join(', ');
    try {
      const texts = await this.#read();
      if (texts.some((text, index) => text !== this.#texts[index])) {
        this.#apply(texts);
        this.#texts = texts;
        this.#log.info(`Renewed: ${files}`);
      }
      this.#problem = '';
    } catch (error) {
      const { message } = error as Error;
      // The second of two files may change a moment later. So log each problem once.
      if (message !== this.#problem)
        this.#log.error(`The former texts of ${files} stay in use: ${message}`);
      this.#problem = message;
    }
    if (this.#timer !== undefined) this.#lookLater();
  }

  #read(): Promise<readonly string[]> {
    return Promise.all(this.#paths.map((path) => readFile(path, 'utf8')));
  }
}
