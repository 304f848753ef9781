import { InvalidCommandError } from '../errors.ts';
import { isName } from '../values.ts';
import type { CommandData, CommandEvent, CommandType } from './command.ts';
import { type FieldProblem, validateCommand } from './validate-command.ts';

/** What a sender may say about a command, besides its fields. */
export interface CommandOptions {
  /**
   * Names the command. Sending the same id again changes nothing and has no second answer. So keep
   * the id with your own data before you send the command. Default: a new UUID.
   */
  readonly id?: string;
  /** Comes back on every event of the answer. Default: the id. */
  readonly correlationId?: string;
  /** W3C Trace Context. */
  readonly traceparent?: string;
}

const VERSION = 1;
const SCHEMAS = '/allocation/schemas';
/** The source of redriven commands. It belongs to the service, also with `#` and more behind it. */
const SERVICE_SOURCE = '/allocation/dead-letters';

/**
 * Makes the commands of one sender.
 *
 * @example
 * const shop = new CommandSource('/shop');
 * const order = shop.allocateOrder({ orderid: 'order-1', sku: 'LAMP', qty: 2 }, { id: 'cmd-1' });
 */
export class CommandSource {
  readonly source: string;

  /**
   * @param source a URI reference that names the sender, such as `/shop`
   * @throws {InvalidCommandError} the source is not valid, or belongs to the service
   */
  constructor(source: string) {
    const problems: FieldProblem[] = [];
    checkAttribute('source', source, problems);
    if (source === SERVICE_SOURCE || source.startsWith(`${SERVICE_SOURCE}#`))
      problems.push({ field: 'source', message: 'belongs to the service; use another source' });
    if (problems.length > 0) throw new InvalidCommandError('CommandSource', problems);
    this.source = source;
  }

  /** Makes the command that brings a batch. @throws {InvalidCommandError} lists the wrong fields */
  createBatch(
    data: CommandData<'CreateBatch'>,
    options?: CommandOptions,
  ): CommandEvent<'CreateBatch'> {
    return this.#make('CreateBatch', data, options);
  }

  /** Makes the command that asks for stock. @throws {InvalidCommandError} lists the wrong fields */
  allocateOrder(
    data: CommandData<'AllocateOrder'>,
    options?: CommandOptions,
  ): CommandEvent<'AllocateOrder'> {
    return this.#make('AllocateOrder', data, options);
  }

  /**
   * Makes the command that sets the number of pieces of a batch.
   * @throws {InvalidCommandError} lists the wrong fields
   */
  changeBatchQuantity(
    data: CommandData<'ChangeBatchQuantity'>,
    options?: CommandOptions,
  ): CommandEvent<'ChangeBatchQuantity'> {
    return this.#make('ChangeBatchQuantity', data, options);
  }

  /**
   * Makes the command that lets all lines of an order go, or the line of one sku.
   * @throws {InvalidCommandError} lists the wrong fields
   */
  deallocateOrder(
    data: CommandData<'DeallocateOrder'>,
    options?: CommandOptions,
  ): CommandEvent<'DeallocateOrder'> {
    return this.#make('DeallocateOrder', data, options);
  }

  #make<T extends CommandType>(
    type: T,
    data: CommandData<T>,
    { id = crypto.randomUUID(), correlationId, traceparent }: CommandOptions = {},
  ): CommandEvent<T> {
    const problems = [...validateCommand(type, data)];
    checkAttribute('id', id, problems);
    if (correlationId !== undefined) checkAttribute('correlationid', correlationId, problems);
    if (problems.length > 0) throw new InvalidCommandError(type, problems);
    return {
      specversion: '1.0',
      id,
      source: this.source,
      type,
      datacontenttype: 'application/json',
      dataschema: `${SCHEMAS}/${type}/${VERSION}`,
      ...(correlationId !== undefined && { correlationid: correlationId }),
      ...(traceparent !== undefined && { traceparent }),
      data,
    };
  }
}

function checkAttribute(field: string, value: unknown, problems: FieldProblem[]): void {
  if (!isName(value))
    problems.push({ field, message: 'must be 1 to 255 characters without control characters' });
}
