// @ts-check
import { useEffect, useState } from '/page/lib/preact.js';

/**
 * A value that tells its listeners of each change.
 * @template T
 */
export class Store {
  /** @type {Set<() => void>} */
  #listeners = new Set();
  #value;

  /** @param {T} value */
  constructor(value) {
    this.#value = value;
  }

  get value() {
    return this.#value;
  }

  /** @param {T} value */
  set(value) {
    this.#value = value;
    for (const listener of this.#listeners) listener();
  }

  /**
   * @param {() => void} listener
   * @returns {() => void} ends the subscription
   */
  subscribe(listener) {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }
}

/**
 * Returns the value of the store, and draws the component again after each change.
 * @template T
 * @param {Store<T>} store
 * @returns {T}
 */
export function useStore(store) {
  const [, redraw] = useState(0);
  useEffect(() => store.subscribe(() => redraw((count) => count + 1)), [store]);
  return store.value;
}
