import type { Command } from '../domain/commands.ts';
import { formerIdentity, type Identity, idOf, parkedIdentity } from '../domain/identity.ts';
import { SKU, subjectOfSku, subjectsNamedBy } from '../domain/subjects.ts';
import { TroubleError } from './errors.ts';
import type { Parked, ParkedChanges, ParkedCommand } from './parked-command.ts';
import type { ProductRepository } from './unit-of-work.ts';

/** So much is parked that no more may be: the lane waits until somebody redrives or discards it. */
export class ParkingFullError extends TroubleError {}

/**
 * What a command is about: the products, batches and orders that it names, and the products that those belong to. Commands with a
 * subject in common must not overtake each other.
 */
export async function subjectsOf(
  command: Command,
  products: Pick<ProductRepository, 'getByBatchReference' | 'getByOrder'>,
): Promise<readonly string[]> {
  const behind = await productsBehind(command, products);
  return [...subjectsNamedBy(command), ...behind.map(({ sku }) => subjectOfSku(sku))];
}

/** The products that the command means and does not name. */
async function productsBehind(
  command: Command,
  products: Pick<ProductRepository, 'getByBatchReference' | 'getByOrder'>,
): Promise<readonly { readonly sku: string }[]> {
  if (command.type === 'ChangeBatchQuantity') {
    const product = await products.getByBatchReference(command.reference);
    return product ? [product] : [];
  }
  return command.type === 'DeallocateOrder' && command.sku === null
    ? products.getByOrder(command.orderid)
    : [];
}

/** The products among the subjects. */
export function skusOf({ subjects }: ParkedCommand): readonly string[] {
  return subjects
    .filter((subject) => subject.startsWith(SKU))
    .map((subject) => subject.slice(SKU.length));
}

/** How many commands may be parked. */
export interface ParkingLimits {
  /** About one product, behind what failed. */
  readonly ofProduct: number;
  /** About all products together, the failed ones with them. */
  readonly inAll: number;
}

/**
 * The commands on which a handler failed, and those that wait behind them, in their order. A command is handled once nothing
 * with a subject of its own stands before it; until then it is parked. Pure: what it decides is written with the transaction.
 */
export class Parking {
  readonly #commands = new Map<Identity, ParkedCommand>();
  readonly #bySubject = new Map<string, Set<ParkedCommand>>();
  readonly #limits: ParkingLimits;
  #lastPosition: number;
  #standing = 0;
  readonly #changed = new Set<Identity>();
  readonly #unanswered = new Set<Identity>();

  constructor({ commands, lastPosition, standing }: Parked, limits: ParkingLimits) {
    for (const command of commands) this.#put(command);
    this.#lastPosition = lastPosition;
    this.#standing = standing;
    this.#limits = limits;
  }

  get isEmpty(): boolean {
    return this.#commands.size === 0;
  }

  /**
   * Together with the products of parked commands that name the same batch or order: while the one that would create the batch is
   * parked, nobody else knows what the batch is of.
   */
  widened(subjects: readonly string[]): readonly string[] {
    const names = subjects.filter((subject) => !subject.startsWith(SKU));
    const related = this.#about(names);
    return [
      ...new Set([
        ...subjects,
        ...related.flatMap((each) => each.subjects.filter((subject) => subject.startsWith(SKU))),
      ]),
    ];
  }

  /** The failed commands that it has to wait for; none: it may be handled. */
  before(identity: Identity, subjects: readonly string[]): readonly Identity[] {
    if (this.isEmpty) return [];
    const id = this.#keyOf(identity);
    const position = this.#commands.get(id)?.position ?? Number.POSITIVE_INFINITY;
    const standing = this.#about(subjects).filter(
      (each) => each.id !== id && each.position < position,
    );
    return [
      ...new Set(standing.flatMap((each) => (each.behind.length > 0 ? each.behind : [each.id]))),
    ];
  }

  /**
   * A command that was parked, or failed, before keeps its place.
   * @param behind empty: it is the one that failed
   * @throws {ParkingFullError}
   */
  park(
    identity: Identity,
    subjects: readonly string[],
    behind: readonly Identity[],
  ): ParkedCommand {
    const key = this.#keyOf(identity);
    const id = parkedIdentity(identity);
    const known = this.#commands.get(key);
    const command = {
      id,
      subjects,
      behind,
      position: known?.position ?? this.#lastPosition + 1,
      isRedriven: behind.length > 0 && known?.isRedriven === true,
    };
    if (!known) this.#refuseTooMany(command);
    // What a former release has parked is parked under the whole identity from now on.
    if (key !== id && this.#remove(key)) this.#changed.add(key);
    this.#remove(id);
    this.#put(command);
    this.#lastPosition = Math.max(this.#lastPosition, command.position);
    this.#changed.add(id);
    this.#unanswered.add(identity);
    return command;
  }

  /** It has been handled: whatever waits for it may follow. */
  answered(identity: Identity): void {
    const id = this.#keyOf(identity);
    if (this.#remove(id)) this.#changed.add(id);
    this.#unanswered.delete(identity);
  }

  /** It goes to the dead letters by itself: it is not answered, and nothing waits for it. */
  refused(identity: Identity): void {
    this.answered(identity);
    this.#unanswered.add(identity);
  }

  /** What differs from the commands that it was made of. */
  changes(): ParkedChanges {
    const ids = [...this.#changed];
    return {
      parked: ids.flatMap((id) => this.#commands.get(id) ?? []),
      gone: ids.filter((id) => !this.#commands.has(id)),
      unanswered: [...this.#unanswered],
    };
  }

  #put(command: ParkedCommand): void {
    this.#commands.set(command.id, command);
    if (!command.isRedriven) this.#standing += 1;
    for (const subject of command.subjects) {
      const about = this.#bySubject.get(subject) ?? new Set();
      this.#bySubject.set(subject, about.add(command));
    }
  }

  #remove(id: Identity): boolean {
    const command = this.#commands.get(id);
    if (!command) return false;
    this.#commands.delete(id);
    if (!command.isRedriven) this.#standing -= 1;
    for (const subject of command.subjects) this.#bySubject.get(subject)?.delete(command);
    return true;
  }

  /** What is parked about any of the subjects, in the order of the positions. */
  #about(subjects: readonly string[]): readonly ParkedCommand[] {
    const found = new Set<ParkedCommand>();
    for (const subject of subjects)
      for (const command of this.#bySubject.get(subject) ?? []) found.add(command);
    return [...found].sort((one, other) => one.position - other.position);
  }

  /** What the command is parked under, if it is. A former release knew its id alone. */
  #keyOf(identity: Identity): Identity {
    if (this.isEmpty) return identity;
    const id = parkedIdentity(identity);
    const former = formerIdentity(idOf(identity));
    return this.#commands.has(id) || !this.#commands.has(former) ? id : former;
  }

  /**
   * A failed command is refused too, where too many are parked in all: to redrive or discard any of them makes room.
   *
   * Only behind what failed and nobody has sent again since: a sequence that is being redriven, and what is left of it once the failed
   * one is answered, comes through the same lanes, behind what would find no room.
   */
  #refuseTooMany(command: ParkedCommand): void {
    if (!command.behind.every((id) => this.#stands(id))) return;
    if (this.#standing >= this.#limits.inAll) {
      throw new ParkingFullError(
        `${this.#standing} commands are parked in all, and no more may be (PARKED_TOTAL_LIMIT): ` +
          'see "npx allocation dead-letters list", then redrive or discard what failed',
      );
    }
    if (command.behind.length === 0) return;
    for (const sku of skusOf(command)) {
      const waiting = this.#about([subjectOfSku(sku)]).filter(({ behind }) => behind.length > 0);
      if (waiting.length < this.#limits.ofProduct) continue;
      throw new ParkingFullError(
        `${waiting.length} commands about ${sku} are parked behind ${command.behind.map(idOf).join(', ')}, and no more may be (PARKED_LIMIT): ` +
          `see "npx allocation dead-letters list --sku ${sku}", then redrive or discard what failed`,
      );
    }
  }

  /** One that was discarded and came again may be parked behind what it held up itself: then it is not the failed one any more. */
  #stands(failedId: Identity): boolean {
    const failed = this.#commands.get(this.#keyOf(failedId));
    return failed?.behind.length === 0 && !failed.isRedriven;
  }
}
