import type { DomainEvent, GenericUUID } from './value-objects.ts';

/** What tells one entity from another: a name that the business gives it, or a UUID. */
export type EntityId = string | GenericUUID;

/** A thing that stays itself while its state changes: two with the same id are the same. */
export abstract class Entity<Id extends EntityId> {
  /** The identity. A method, so that persistence may keep a key of its own in a property called `id`. */
  abstract entityId(): Id;

  equals(other: unknown): boolean {
    return (
      other instanceof Entity &&
      other.constructor === this.constructor &&
      String(other.entityId()) === String(this.entityId())
    );
  }
}

/** The one entity through which a cluster of them is changed. It registers what happened until somebody collects it. */
export abstract class AggregateRoot<Id extends EntityId, E extends DomainEvent> extends Entity<Id> {
  #events: E[] = [];

  protected registerEvent(event: E): void {
    this.#events.push(event);
  }

  /** Hands over the events registered since the last call, in order. */
  collectEvents(): readonly E[] {
    if (this.#events.length === 0) return [];
    const events = this.#events;
    this.#events = [];
    return events;
  }
}
