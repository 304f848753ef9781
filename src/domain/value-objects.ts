import { AllocationError } from './errors.ts';

/** A thing that is compared by its value, and has no identity. Subclasses freeze themselves. */
export abstract class ValueObject {
  /** Returns the value as a string. Two strings are equal exactly if the value objects are. */
  abstract toString(): string;

  /** Tells whether `other` has the same class and the same value. */
  equals(other: unknown): boolean {
    return (
      other instanceof ValueObject &&
      other.constructor === this.constructor &&
      other.toString() === this.toString()
    );
  }
}

/** A set of value objects, compared by value, in the order in which they were added. */
export class ValueSet<T extends ValueObject> implements Iterable<T> {
  readonly #byValue = new Map<string, T>();

  constructor(values: Iterable<T> = []) {
    for (const value of values) this.add(value);
  }

  get size(): number {
    return this.#byValue.size;
  }

  has(value: T): boolean {
    return this.#byValue.has(value.toString());
  }

  /**
   * Adds the value at the end.
   *
   * @returns whether the value was new
   */
  add(value: T): boolean {
    if (this.has(value)) return false;
    this.#byValue.set(value.toString(), value);
    return true;
  }

  /**
   * Removes the value.
   *
   * @returns whether the value was there
   */
  delete(value: T): boolean {
    return this.#byValue.delete(value.toString());
  }

  [Symbol.iterator](): IterableIterator<T> {
    return this.#byValue.values();
  }
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** The text is not a UUID. */
export class InvalidUuidError extends AllocationError {
  override readonly code = 'invalid-uuid';
}

/**
 * An identity without a meaning (RFC 9562), compared without regard to case. The caller draws the
 * UUID, because the domain must be deterministic.
 */
export class GenericUUID extends ValueObject {
  readonly #text: string;

  /**
   * Makes a UUID from its text.
   *
   * @throws {InvalidUuidError} `text` does not consist of 8-4-4-4-12 hexadecimal digits
   */
  constructor(text: string) {
    super();
    const canonical = text.toLowerCase();
    if (!UUID.test(canonical)) throw new InvalidUuidError(`"${text}" is not a UUID`);
    this.#text = canonical;
    Object.freeze(this);
  }

  override toString(): string {
    return this.#text;
  }
}

/** Something that happened, told in the past tense. */
export interface DomainEvent {
  readonly type: string;
}

/**
 * Several events that consumers see together or not at all. A composite inside a composite
 * dissolves into its events.
 */
export class CompositeDomainEvent<E extends DomainEvent> implements DomainEvent, Iterable<E> {
  readonly type = 'CompositeDomainEvent';
  readonly events: readonly E[];

  constructor(events: Iterable<E | CompositeDomainEvent<E>>) {
    this.events = Object.freeze(
      [...events].flatMap((event) =>
        event instanceof CompositeDomainEvent ? event.events : [event],
      ),
    );
    Object.freeze(this);
  }

  [Symbol.iterator](): IterableIterator<E> {
    return this.events.values();
  }
}
