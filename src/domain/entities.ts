import type { DomainEvent, GenericUUID } from './value-objects.ts';

/** Tells one entity from another: a name that the business gives, or a UUID. */
type EntityId = string | GenericUUID;

/** Keeps its identity while its state changes. Two entities with the same id are equal. */
export abstract class Entity<Id extends EntityId> {
  /** Returns the identity. This is a method because persistence may use a property called `id`. */
  abstract entityId(): Id;

  /** Tells whether `other` has the same class and the same identity. */
  equals(other: unknown): boolean {
    return (
      other instanceof Entity &&
      other.constructor === this.constructor &&
      String(other.entityId()) === String(this.entityId())
    );
  }
}

/**
 * The only entity through which a cluster of entities changes. An aggregate root registers an event
 * for each change, until somebody collects the events.
 */
export abstract class AggregateRoot<Id extends EntityId, E extends DomainEvent> extends Entity<Id> {
  #events: E[] = [];

  /** Remembers the event until the next `collectEvents`. */
  protected registerEvent(event: E): void {
    this.#events.push(event);
  }

  /** Returns the events since the last call, in order, and forgets them. */
  collectEvents(): readonly E[] {
    if (this.#events.length === 0) return [];
    const events = this.#events;
    this.#events = [];
    return events;
  }
}
