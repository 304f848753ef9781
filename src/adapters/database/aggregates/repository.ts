/** Loads objects by their key, and remembers them until the session is flushed. */
export interface Repository<T, Key = string> {
  add(object: T): void;
  get(key: Key): Promise<T | null>;
}
