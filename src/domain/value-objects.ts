/** A thing that is its value: two with the same value are the same. Subclasses freeze themselves. */
export abstract class ValueObject {
  /** The value as a string: equal exactly when the value objects are. */
  abstract toString(): string;

  equals(other: unknown): boolean {
    return (
      other instanceof ValueObject &&
      other.constructor === this.constructor &&
      other.toString() === this.toString()
    );
  }
}

/** A set of value objects in the order of their arrival, in which equality is equality by value. */
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

  /** @returns whether the value was new */
  add(value: T): boolean {
    if (this.has(value)) return false;
    this.#byValue.set(value.toString(), value);
    return true;
  }

  /** @returns whether the value was there */
  delete(value: T): boolean {
    return this.#byValue.delete(value.toString());
  }

  [Symbol.iterator](): IterableIterator<T> {
    return this.#byValue.values();
  }
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

export class InvalidUuidError extends Error {
  readonly code = 'invalid-uuid';
}

/** An identity that means nothing (RFC 9562), compared without regard to case. Where it comes from is the caller's business: the domain draws no lots. */
export class GenericUUID extends ValueObject {
  readonly #text: string;

  /** @throws {InvalidUuidError} `text` is not 8-4-4-4-12 hexadecimal digits */
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

/** Several events that consumers see together or not at all. One inside another dissolves into its events. */
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
