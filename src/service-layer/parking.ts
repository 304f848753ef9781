import { scopeOf } from '../domain/command-scopes.ts';
import type { Command } from '../domain/commands.ts';
import { formerIdentity, type Identity, idOf, parkedIdentity } from '../domain/identity.ts';
import { SKU, subjectOfSku, subjectsNamedBy } from '../domain/subjects.ts';
import { TroubleError } from './errors.ts';
import type { ParkedChanges, ParkedCommand, ParkedSnapshot } from './parked-command.ts';
import type { ProductRepository } from './unit-of-work.ts';

/** No more commands may be parked. The lane waits until an operator redrives or discards some. */
export class ParkingFullError extends TroubleError {}

/**
 * Lists what a command is about: the products, batches and orders that it names, and the products
 * of those batches and orders. Commands with a common subject must not overtake each other.
 *
 * @throws {TroubleError} the database cannot be reached
 */
export async function subjectsOf(
  command: Command,
  products: Pick<ProductRepository, 'getByBatchReference' | 'getByOrder'>,
): Promise<readonly string[]> {
  const unnamed = await unnamedProducts(command, products);
  return [...subjectsNamedBy(command), ...unnamed.map(({ sku }) => subjectOfSku(sku))];
}

/** Finds the products that the command may change and does not name. */
async function unnamedProducts(
  command: Command,
  products: Pick<ProductRepository, 'getByBatchReference' | 'getByOrder'>,
): Promise<readonly { readonly sku: string }[]> {
  const scope = scopeOf(command);
  if (!scope.hasUnnamedProducts(command)) return [];
  const reference = scope.batch(command);
  const orderid = scope.order(command);
  const ofBatch = reference === null ? null : await products.getByBatchReference(reference);
  const ofOrder = orderid === null ? [] : await products.getByOrder(orderid);
  return ofBatch ? [ofBatch, ...ofOrder] : ofOrder;
}

/** Lists the products among the subjects. */
export function skusOf({ subjects }: ParkedCommand): readonly string[] {
  return subjects
    .filter((subject) => subject.startsWith(SKU))
    .map((subject) => subject.slice(SKU.length));
}

/** Limits how many commands may be parked. */
export interface ParkingLimits {
  /** The most commands about one product that wait behind a failed command. */
  readonly ofProduct: number;
  /** The most parked commands about all products together, failed ones included. */
  readonly inAll: number;
}

/**
 * Holds the commands whose handlers failed, and the commands that wait behind them, in their order.
 * A command may be handled once no parked command with a common subject stands before it. Until
 * then the command is parked. This class only decides: the transaction writes the `changes()`.
 */
export class Parking {
  readonly #commands = new Map<Identity, ParkedCommand>();
  readonly #bySubject = new Map<string, Set<ParkedCommand>>();
  readonly #limits: ParkingLimits;
  #lastPosition: number;
  #notRedriven = 0;
  readonly #changed = new Set<Identity>();
  readonly #unanswered = new Set<Identity>();

  /** Takes the parked commands as `LaneTransaction.readParked` returns them. */
  constructor({ commands, lastPosition, notRedriven }: ParkedSnapshot, limits: ParkingLimits) {
    for (const command of commands) this.#put(command);
    this.#lastPosition = lastPosition;
    this.#notRedriven = notRedriven;
    this.#limits = limits;
  }

  /** Whether no parked command matters to this transaction. */
  get isEmpty(): boolean {
    return this.#commands.size === 0;
  }

  /**
   * Adds the products of parked commands that name the same batch or order. While the command that
   * would create a batch is parked, only that command knows the batch's product.
   */
  withRelatedProducts(subjects: readonly string[]): readonly string[] {
    const names = subjects.filter((subject) => !subject.startsWith(SKU));
    const related = this.#about(names);
    return [
      ...new Set([
        ...subjects,
        ...related.flatMap((each) => each.subjects.filter((subject) => subject.startsWith(SKU))),
      ]),
    ];
  }

  /**
   * Lists the failed commands that this command must wait for. Empty: the command may be handled.
   */
  failuresBefore(identity: Identity, subjects: readonly string[]): readonly Identity[] {
    if (this.isEmpty) return [];
    const id = this.#keyOf(identity);
    const position = this.#commands.get(id)?.position ?? Number.POSITIVE_INFINITY;
    const earlier = this.#about(subjects).filter(
      (each) => each.id !== id && each.position < position,
    );
    return [
      ...new Set(earlier.flatMap((each) => (each.behind.length > 0 ? each.behind : [each.id]))),
    ];
  }

  /**
   * Parks the command. A command that was parked before keeps its position.
   *
   * @param behind the failed commands that it waits for; empty: this command itself has failed
   * @throws {ParkingFullError} no more commands may be parked; nothing has changed
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
    // A former release parked the command under its id alone. From now on its identity is whole.
    if (key !== id && this.#remove(key)) this.#changed.add(key);
    this.#remove(id);
    this.#put(command);
    this.#lastPosition = Math.max(this.#lastPosition, command.position);
    this.#changed.add(id);
    this.#unanswered.add(identity);
    return command;
  }

  /** Marks the command as handled, so that commands behind it may follow. */
  markAnswered(identity: Identity): void {
    const id = this.#keyOf(identity);
    if (this.#remove(id)) this.#changed.add(id);
    this.#unanswered.delete(identity);
  }

  /** Marks the command as refused. It becomes a dead letter, but no command waits for it. */
  markRefused(identity: Identity): void {
    this.markAnswered(identity);
    this.#unanswered.add(identity);
  }

  /** Returns what has changed since this object was made. */
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
    if (!command.isRedriven) this.#notRedriven += 1;
    for (const subject of command.subjects) {
      const about = this.#bySubject.get(subject) ?? new Set();
      this.#bySubject.set(subject, about.add(command));
    }
  }

  #remove(id: Identity): boolean {
    const command = this.#commands.get(id);
    if (!command) return false;
    this.#commands.delete(id);
    if (!command.isRedriven) this.#notRedriven -= 1;
    for (const subject of command.subjects) this.#bySubject.get(subject)?.delete(command);
    return true;
  }

  /** Lists what is parked about any of the subjects, in the order of the positions. */
  #about(subjects: readonly string[]): readonly ParkedCommand[] {
    const commands = new Set<ParkedCommand>();
    for (const subject of subjects)
      for (const command of this.#bySubject.get(subject) ?? []) commands.add(command);
    return [...commands].sort((one, other) => one.position - other.position);
  }

  /** Returns the key under which the command is, or would be, parked. See `formerIdentity`. */
  #keyOf(identity: Identity): Identity {
    if (this.isEmpty) return identity;
    const id = parkedIdentity(identity);
    const former = formerIdentity(idOf(identity));
    return this.#commands.has(id) || !this.#commands.has(former) ? id : former;
  }

  /**
   * Refuses a command if too many are parked. The total limit also refuses a failed command,
   * because an operator can make room with any parked command.
   *
   * The limits do not apply behind a command that is being redriven or is answered. The rest of
   * that sequence comes through the same lanes, where a refusal would block the redrive.
   *
   * @throws {ParkingFullError} a limit is reached
   */
  #refuseTooMany(command: ParkedCommand): void {
    if (!command.behind.every((id) => this.#isFailed(id))) return;
    if (this.#notRedriven >= this.#limits.inAll) {
      throw new ParkingFullError(
        `${this.#notRedriven} commands are parked in all, and PARKED_TOTAL_LIMIT allows no more. ` +
          'See "npx allocation dead-letters list", then redrive or discard the failed commands',
      );
    }
    if (command.behind.length === 0) return;
    for (const sku of skusOf(command)) {
      const waiting = this.#about([subjectOfSku(sku)]).filter(({ behind }) => behind.length > 0);
      if (waiting.length < this.#limits.ofProduct) continue;
      throw new ParkingFullError(
        `${waiting.length} commands about ${sku} are parked behind ` +
          `${command.behind.map(idOf).join(', ')}, and PARKED_LIMIT allows no more. ` +
          `See "npx allocation dead-letters list --sku ${sku}", ` +
          'then redrive or discard the failed commands',
      );
    }
  }

  /**
   * Tells whether the command has failed, and no operator has sent it again. A discarded command
   * that is sent again may be parked behind commands it once blocked. It no longer counts as
   * failed.
   */
  #isFailed(failedId: Identity): boolean {
    const failed = this.#commands.get(this.#keyOf(failedId));
    return failed?.behind.length === 0 && !failed.isRedriven;
  }
}
