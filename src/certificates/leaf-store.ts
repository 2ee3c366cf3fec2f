import { randomBytes } from "node:crypto";
import { createSecureContext, type SecureContext, type SecureContextOptions } from "node:tls";
import type { Authority } from "./authority.ts";
import { canonicalHost } from "./hosts.ts";
import { certifyLeaf, generateLeafKey, type LeafKey } from "./leaf.ts";
import type { Clock } from "./sign-certificate.ts";

export interface LeafStoreOptions {
  /** The hosts that share one certificate: those that nearly all connections are for. One at least. */
  hosts: readonly string[];
  /** How many other hosts may have a context at a time; the least recently used one gives way. Default: 256. */
  maxOtherHosts?: number;
  /** Days of validity of each leaf, up to 397. Default: 397. */
  days?: number;
  /**
   * 48 bytes that TLS session tickets are sealed with. Gateways that share them resume each other's sessions.
   * Default: random, so that sessions last as long as the store.
   */
  ticketKeys?: Buffer;
  clock?: Clock;
}

/** What a server needs for a set of hosts, as options for `tls.createServer` and made into a context. */
interface Served {
  readonly options: SecureContextOptions;
  readonly context: SecureContext;
  /** From here on less than a third of its life is left. Milliseconds since 1970. */
  readonly renewAt: number;
}

/** Held from when its making begins, so that any number of connections wait for the same signatures. */
interface Entry {
  readonly served: Promise<Served>;
  /** Infinite while it is being made. */
  renewAt: number;
}

/**
 * The TLS contexts of a server that speaks for many hosts.
 *
 * Each carries a P-256 and an RSA leaf, so that a client without ECDSA is served too, and TLS 1.2 and 1.3 only. The
 * two keys are made once and serve every host; a new host costs two signatures and a context, some 3 ms. A
 * context is replaced at its first use with less than a third of its life left; connections on the old one go on, and
 * their sessions can be resumed on the new one.
 *
 * There is no `SNICallback` here: of a context that it answers with, Node takes only one certificate (nodejs/node
 * 54235), so clients of the other kind fail; and a client could have certificates made for any name it likes.
 */
export class LeafStore {
  readonly #authority: Authority;
  readonly #keys: readonly LeafKey[];
  readonly #options: LeafStoreOptions & { maxOtherHosts: number; ticketKeys: Buffer; clock: Clock };
  readonly #sharing: ReadonlySet<string>;
  #shared: Entry;
  /** By canonical host, the least recently used first. */
  readonly #others = new Map<string, Entry>();

  /**
   * @throws {TypeError} when a host is none; {RangeError} when there is no host or `days` is out of range;
   *   {AuthorityError} `expired`.
   */
  static async create(authority: Authority, options: LeafStoreOptions): Promise<LeafStore> {
    const keys = await Promise.all([generateLeafKey("ec"), generateLeafKey("rsa")]);
    const store = new LeafStore(authority, keys, options);
    await store.#shared.served;
    return store;
  }

  private constructor(authority: Authority, keys: readonly LeafKey[], options: LeafStoreOptions) {
    this.#authority = authority;
    this.#keys = keys;
    this.#options = { maxOtherHosts: 256, ticketKeys: randomBytes(48), clock: Date.now, ...options };
    this.#sharing = new Set(options.hosts.map(canonicalHost));
    this.#shared = this.#make(options.hosts);
  }

  /** How many hosts outside the shared set have a context now. */
  get otherHosts(): number {
    return this.#others.size;
  }

  /**
   * The context for a host, for `new TLSSocket(socket, { isServer: true, secureContext })`. Ask for each connection
   * anew, by the name in its CONNECT request and not by what its TLS asks for (SNI): see the class.
   *
   * @throws {TypeError} when `host` is none; {AuthorityError} `expired`, once the authority is.
   */
  async contextFor(host: string): Promise<SecureContext> {
    return (await this.#servedFor(host)).context;
  }

  /** The same for `tls.createServer`: one and the same object until it is renewed. */
  async optionsFor(host: string): Promise<SecureContextOptions> {
    return (await this.#servedFor(host)).options;
  }

  async #servedFor(host: string): Promise<Served> {
    const name = canonicalHost(host);
    const entry = this.#sharing.has(name) ? this.#freshShared() : this.#freshOther(name);
    return entry.served;
  }

  #freshShared(): Entry {
    if (!this.#isFresh(this.#shared)) this.#shared = this.#make(this.#options.hosts);
    return this.#shared;
  }

  #freshOther(name: string): Entry {
    const known = this.#others.get(name);
    const entry = known !== undefined && this.#isFresh(known) ? known : this.#make([name]);
    this.#others.delete(name);
    this.#others.set(name, entry);
    for (const [oldest] of this.#others) {
      if (this.#others.size <= this.#options.maxOtherHosts) break;
      this.#others.delete(oldest);
    }
    return entry;
  }

  #isFresh(entry: Entry): boolean {
    return this.#options.clock() < entry.renewAt;
  }

  #make(hosts: readonly string[]): Entry {
    const entry: Entry = { served: this.#issue(hosts), renewAt: Number.POSITIVE_INFINITY };
    entry.served.then(
      ({ renewAt }) => {
        entry.renewAt = renewAt;
      },
      // What failed is not kept: the next one who asks has it tried again.
      () => {
        entry.renewAt = Number.NEGATIVE_INFINITY;
      },
    );
    return entry;
  }

  async #issue(hosts: readonly string[]): Promise<Served> {
    const issuedAt = this.#options.clock();
    const leaves = await Promise.all(
      this.#keys.map((key) => certifyLeaf(this.#authority, key, { ...this.#options, hosts })),
    );
    const options: SecureContextOptions = {
      key: leaves.map((leaf) => leaf.key),
      cert: leaves.map((leaf) => leaf.cert),
      minVersion: "TLSv1.2",
      ticketKeys: this.#options.ticketKeys,
    };
    const notAfter = Math.min(...leaves.map((leaf) => leaf.notAfter.getTime()));
    const renewAt = notAfter - (notAfter - issuedAt) / 3;
    return { options, context: createSecureContext(options), renewAt };
  }
}
