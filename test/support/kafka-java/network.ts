import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterwards } from './afterwards.ts';

const run = promisify(execFile);
const MAIN = 0;
/** Nobody has this hardware address: what is sent to it vanishes. */
const NOBODY = '02:00:00:00:00:ff';

/** Removes namespaces, and with them every interface in them. */
const REMOVE = 'for name in "$@"; do ip netns del "$name"; done';

/**
 * A network for this process and a few machines, each in a Linux network namespace. A switch joins
 * them, in a namespace too, where the firewall rules of this machine do not apply. Every neighbour
 * is entered by hand. A cut enters a wrong hardware address: packets vanish without notice, and
 * connections stay open on both sides.
 *
 * @example
 * const network = await MachineNetwork.create(3);
 * spawn('ip', network.inside(2, ['java', '-version']));
 * await network.cut(2, 'everybody');
 */
export class MachineNetwork {
  readonly #name: string;
  readonly #subnet: string;
  readonly #count: number;
  readonly #remove: () => Promise<void>;

  private constructor(name: string, subnet: string, count: number, remove: () => Promise<void>) {
    this.#name = name;
    this.#subnet = subnet;
    this.#count = count;
    this.#remove = remove;
  }

  /**
   * Creates the network.
   * @throws when this process may not create network namespaces; the message says why
   */
  static async create(count: number): Promise<MachineNetwork> {
    const number = Math.floor(Math.random() * 65_536);
    const name = `ak${number.toString(16)}`;
    // A subnet of 198.18.0.0/15, which is reserved for tests between networks.
    const subnet = `198.${18 + (number >> 15)}.${(number >> 7) & 255}`;
    const namespaces = [`${name}-switch`, ...numbers(count).map((machine) => `${name}-${machine}`)];
    // Prepare the removal before there is anything to remove.
    const remove = afterwards(REMOVE, namespaces);
    const network = new MachineNetwork(name, subnet, count, remove);
    try {
      await network.#build();
    } catch (error) {
      await remove();
      throw new Error(`no network namespaces: ${(error as Error).message.trim().slice(0, 300)}`);
    }
    return network;
  }

  /** Returns the address of a machine. Machines count from 1. */
  address(machine: number): string {
    return `${this.#subnet}.${machine === MAIN ? 254 : machine}`;
  }

  /** Returns the command that runs `command` on this machine. */
  inside(machine: number, command: readonly string[]): readonly string[] {
    return ['ip', 'netns', 'exec', `${this.#name}-${machine}`, ...command];
  }

  /**
   * Cuts the machine off from the other machines, or from everybody. Resolves when packets between
   * them vanish.
   */
  async cut(machine: number, from: 'machines' | 'everybody'): Promise<void> {
    const others = numbers(this.#count).filter((other) => other !== machine);
    for (const other of from === 'everybody' ? [MAIN, ...others] : others) {
      await Promise.all([this.#know(machine, other, NOBODY), this.#know(other, machine, NOBODY)]);
    }
  }

  /** Undoes every cut of the machine. */
  async mend(machine: number): Promise<void> {
    for (const other of [MAIN, ...numbers(this.#count)]) {
      if (other === machine) continue;
      await Promise.all([this.#know(machine, other), this.#know(other, machine)]);
    }
  }

  /** Removes the network. What runs in it must have ended. */
  close(): Promise<void> {
    return this.#remove();
  }

  async #build(): Promise<void> {
    const name = this.#name;
    const hub = `${name}-switch`;
    await run('ip', ['netns', 'add', hub]);
    await run('ip', ['-n', hub, 'link', 'add', 'bridge', 'type', 'bridge']);
    await run('ip', ['-n', hub, 'link', 'set', 'bridge', 'up']);
    for (const machine of [MAIN, ...numbers(this.#count)]) {
      if (machine !== MAIN) await run('ip', ['netns', 'add', `${name}-${machine}`]);
      const port = `port${machine}`;
      const peer =
        machine === MAIN ? ['name', name] : ['name', name, 'netns', `${name}-${machine}`];
      await run('ip', [
        '-n',
        hub,
        'link',
        'add',
        port,
        'type',
        'veth',
        'peer',
        ...peer,
        ...(machine === MAIN ? ['netns', String(process.pid)] : []),
      ]);
      await run('ip', ['-n', hub, 'link', 'set', port, 'master', 'bridge', 'up']);
      await this.#ip(machine, ['link', 'set', name, 'address', hardwareAddress(machine), 'up']);
      await this.#ip(machine, ['address', 'add', `${this.address(machine)}/24`, 'dev', name]);
      if (machine !== MAIN) await this.#ip(machine, ['link', 'set', 'lo', 'up']);
    }
    for (const machine of numbers(this.#count)) await this.mend(machine);
  }

  #know(machine: number, other: number, address = hardwareAddress(other)): Promise<unknown> {
    const neighbour = [
      this.address(other),
      'lladdr',
      address,
      'dev',
      this.#name,
      'nud',
      'permanent',
    ];
    return this.#ip(machine, ['neighbour', 'replace', ...neighbour]);
  }

  #ip(machine: number, command: readonly string[]): Promise<unknown> {
    return run(
      'ip',
      machine === MAIN ? [...command] : ['-n', `${this.#name}-${machine}`, ...command],
    );
  }
}

function hardwareAddress(machine: number): string {
  return `02:00:00:00:01:${machine.toString(16).padStart(2, '0')}`;
}

function numbers(count: number): readonly number[] {
  return Array.from({ length: count }, (_, index) => index + 1);
}
