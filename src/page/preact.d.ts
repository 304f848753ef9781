/* The parts of htm and Preact that the page uses. The package's own types need `preact`. */

/** What a component returns. */
export type VNode = object;
export const html: (strings: TemplateStringsArray, ...values: unknown[]) => VNode;
export function render(tree: VNode, parent: Element): void;
export function useState<T>(initial: T | (() => T)): [T, (next: T | ((now: T) => T)) => void];
export function useRef<T>(initial: T): { current: T };
export function useMemo<T>(make: () => T, inputs: readonly unknown[]): T;
type Effect = (effect: () => undefined | (() => void), inputs?: readonly unknown[]) => void;
export const useEffect: Effect;
export const useLayoutEffect: Effect;
