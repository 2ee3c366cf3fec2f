import { generateKeyPairSync } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { issueIdentity } from "./peers/authority.ts";
import type { Peer, RunningPeer, Surroundings } from "./peers/peer.ts";
import { RunningBroker } from "./processes/broker.ts";
import { Child } from "./processes/children.ts";
import { MEMORY_LIMIT, MemoryGroup } from "./processes/memory-group.ts";
import type { UpstreamPorts } from "./upstream/main.ts";
import { BIGQUERY_HOST, STORAGE_HOST, TOKEN_PATH } from "./wire.ts";

/** What is the same for every peer. */
type Shared = Omit<Surroundings, "directory" | "joins" | "topics" | "profileTo">;

/** Upstream and generator, running, and a directory to work in. */
export class Workbench {
  readonly upstream: Child;
  readonly #directory: string;
  /** Whether each peer gets a memory limit; not everybody may set one. */
  readonly limited: boolean;
  readonly #surroundings: Shared;
  readonly #broker: RunningBroker | undefined;
  #generator: Child;
  #starts = 0;

  /**
   * @param parent where files go: journals are written there, so it is on the disk that is measured.
   * @param kafka whether there is to be a broker, too.
   */
  static async start(parent = tmpdir(), { kafka = false } = {}): Promise<Workbench> {
    const directory = mkdtempSync(join(parent, "bqtape-bench-"));
    process.on("exit", () => rmSync(directory, { recursive: true, force: true }));
    const { ca, ...identity } = await issueIdentity("bench upstream", [BIGQUERY_HOST, STORAGE_HOST]);
    const upstreamCaFile = join(directory, "upstream-ca.pem");
    writeFileSync(upstreamCaFile, ca);
    const url = new URL("./upstream/main.ts", import.meta.url);
    const upstream = Child.script(url, identity, { directory, name: "upstream" });
    const ports = await upstream.message<UpstreamPorts>();
    const keyFile = writeServiceAccount(directory, `https://127.0.0.1:${ports.rest}${TOKEN_PATH}`);
    const broker = kafka ? await RunningBroker.start(directory) : undefined;
    const shared = {
      ...{ upstream: ports, upstreamCa: ca, upstreamCaFile, keyFile },
      ...(broker !== undefined && { kafka: broker.addresses }),
    };
    return new Workbench(directory, upstream, broker, shared);
  }

  private constructor(
    directory: string,
    upstream: Child,
    broker: RunningBroker | undefined,
    surroundings: Shared,
  ) {
    this.#directory = directory;
    this.#broker = broker;
    this.upstream = upstream;
    this.#surroundings = surroundings;
    const probe = this.#memoryGroup();
    this.limited = probe !== undefined;
    void probe?.remove();
    this.#generator = this.#startGenerator();
  }

  get directory(): string {
    return this.#directory;
  }

  get generator(): Child {
    if (this.#generator.ended) this.#generator = this.#startGenerator();
    return this.#generator;
  }

  /**
   * Starts a peer in an empty directory of its own, which goes when the peer stops.
   *
   * @param profileTo where CPU profiles go that are asked for.
   */
  async run(peer: Peer, profileTo?: string): Promise<RunningPeer> {
    this.#starts += 1;
    const broker = this.#broker;
    const directory = join(this.#directory, `peer-${this.#starts}`);
    mkdirSync(directory);
    const group = this.#memoryGroup();
    const topics = {
      events: `events-${this.#starts}`,
      bodies: `bodies-${this.#starts}`,
      control: `control-${this.#starts}`,
    };
    const running = await peer.start({
      ...this.#surroundings,
      ...{ directory, joins: group?.members, topics },
      ...(profileTo !== undefined && { profileTo }),
    });
    return {
      ...running,
      async stop() {
        await running.stop();
        if (peer.needsKafka) await broker?.deleteTopics(topics);
        rmSync(directory, { recursive: true, force: true });
        await group?.remove();
      },
    };
  }

  /** A generator that did not answer in time may be in any state: the next load gets a new one. */
  async replaceGenerator(): Promise<void> {
    await this.#generator.stop();
  }

  async stop(): Promise<void> {
    await this.#generator.stop();
    await this.upstream.stop();
    await this.#broker?.stop();
    rmSync(this.#directory, { recursive: true, force: true });
  }

  #memoryGroup(): MemoryGroup | undefined {
    return MemoryGroup.make(`bqtape-bench-${process.pid}-${this.#starts}`, MEMORY_LIMIT);
  }

  #startGenerator(): Child {
    const url = new URL("./load/main.ts", import.meta.url);
    return Child.script(url, null, { directory: this.#directory, name: "generator" });
  }
}

/** A service account's key file, with a key that nothing else knows. */
function writeServiceAccount(directory: string, tokenUri: string): string {
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const file = join(directory, "service-account.json");
  const account = {
    type: "service_account",
    project_id: "p",
    private_key_id: "1",
    private_key: privateKey.export({ type: "pkcs8", format: "pem" }),
    client_email: "gateway@p.iam.gserviceaccount.com",
    token_uri: tokenUri,
  };
  writeFileSync(file, JSON.stringify(account), { mode: 0o600 });
  return file;
}
