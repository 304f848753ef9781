/** The difference between the objects that a session loaded and the objects now. */
export interface Changes<T, Stored> {
  readonly added: readonly T[];
  /** Each changed object, with what the database has of it. */
  readonly changed: readonly (readonly [object: T, stored: Stored])[];
}

/**
 * Loads objects by their key, and remembers them for the session: the same key gives the same
 * object. Knows which objects are new, and which have changed since they were loaded.
 *
 * A subclass says what it loads, and what the database has of an object (`Stored`).
 */
export abstract class SqlRepository<T, Key, Stored> {
  readonly #known = new Map<string, T | null>();
  readonly #stored = new Map<T, Stored | null>();

  /** Notes an object that the database does not have. */
  add(object: T): void {
    this.#remember(object, null);
  }

  /** Returns the object; null: the database does not have the object. */
  async get(key: Key): Promise<T | null> {
    const known = this.known(key);
    if (known !== undefined) return known;
    const loaded = await this.load(key);
    if (loaded) this.track(loaded);
    else this.noteMissing(key);
    return loaded;
  }

  /** Notes that the database has the object as it is now. */
  track(object: T): void {
    this.#remember(object, this.storedOf(object));
  }

  isTracked(object: T): boolean {
    return this.#stored.has(object);
  }

  /** Finds what has changed since the objects were loaded. */
  changes(): Changes<T, Stored> {
    const added: T[] = [];
    const changed: (readonly [T, Stored])[] = [];
    for (const [object, stored] of this.#stored) {
      if (stored === null) added.push(object);
      else if (this.hasChanged(object, stored)) changed.push([object, stored]);
    }
    return { added, changed };
  }

  /** All objects of the session. Null: the database does not have the object. */
  protected get tracked(): ReadonlyMap<T, Stored | null> {
    return this.#stored;
  }

  /** The names of all keys that were asked for or added. */
  protected get knownNames(): readonly string[] {
    return [...this.#known.keys()];
  }

  /** Returns the object; null: it does not exist; undefined: nobody has asked for it. */
  protected known(key: Key): T | null | undefined {
    return this.#known.get(this.nameOf(key));
  }

  /** Notes that the database has no such object. */
  protected noteMissing(key: Key): void {
    this.#known.set(this.nameOf(key), null);
  }

  /** Loads what the session does not know yet. */
  protected abstract load(key: Key): Promise<T | null>;
  protected abstract keyOf(object: T): Key;
  /** Returns a text that no other key has. */
  protected abstract nameOf(key: Key): string;
  /** Copies what must be written again when it changes. */
  protected abstract storedOf(object: T): Stored;
  protected abstract hasChanged(object: T, stored: Stored): boolean;

  #remember(object: T, stored: Stored | null): void {
    this.#known.set(this.nameOf(this.keyOf(object)), object);
    this.#stored.set(object, stored);
  }
}
