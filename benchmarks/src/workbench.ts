import { generateKeyPairSync } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { issueIdentity } from "./peers/authority.ts";
import type { RunningPeer, Surroundings } from "./peers/peer.ts";
import { Child } from "./processes/children.ts";
import { MEMORY_LIMIT, MemoryGroup } from "./processes/memory-group.ts";
import type { UpstreamPorts } from "./upstream/main.ts";
import { BIGQUERY_HOST, STORAGE_HOST, TOKEN_PATH } from "./wire.ts";

/** What is the same for every peer. */
type Shared = Omit<Surroundings, "directory" | "joins">;

/** Upstream and generator, running, and a directory to work in. */
export class Workbench {
  readonly upstream: Child;
  readonly #directory: string;
  /** Whether each peer gets a memory limit; not everybody may set one. */
  readonly limited: boolean;
  readonly #surroundings: Shared;
  #generator: Child;
  #starts = 0;

  /** @param parent where files go: journals are written there, so it is on the disk that is measured. */
  static async start(parent = tmpdir()): Promise<Workbench> {
    const directory = mkdtempSync(join(parent, "bqtape-bench-"));
    process.on("exit", () => rmSync(directory, { recursive: true, force: true }));
    const { ca, ...identity } = await issueIdentity("bench upstream", [BIGQUERY_HOST, STORAGE_HOST]);
    const upstreamCaFile = join(directory, "upstream-ca.pem");
    writeFileSync(upstreamCaFile, ca);
    const url = new URL("./upstream/main.ts", import.meta.url);
    const upstream = Child.script(url, identity, { directory, name: "upstream" });
    const ports = await upstream.message<UpstreamPorts>();
    const keyFile = writeServiceAccount(directory, `https://127.0.0.1:${ports.rest}${TOKEN_PATH}`);
    return new Workbench(directory, upstream, { upstream: ports, upstreamCa: ca, upstreamCaFile, keyFile });
  }

  private constructor(directory: string, upstream: Child, surroundings: Shared) {
    this.#directory = directory;
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

  /** Starts a peer in an empty directory of its own, which goes when the peer stops. */
  async run(start: (surroundings: Surroundings) => Promise<RunningPeer>): Promise<RunningPeer> {
    this.#starts += 1;
    const directory = join(this.#directory, `peer-${this.#starts}`);
    mkdirSync(directory);
    const group = this.#memoryGroup();
    const peer = await start({ ...this.#surroundings, directory, joins: group?.members });
    return {
      ...peer,
      async stop() {
        await peer.stop();
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
