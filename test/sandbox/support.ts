import { createSign } from "node:crypto";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import type { IncomingHttpHeaders } from "node:http";
import { request } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before } from "node:test";
import { getCACertificates, setDefaultCACertificates } from "node:tls";
import { BigQuery } from "@google-cloud/bigquery";
import { OAuth2Client } from "google-auth-library";
import { type Sandbox, type SandboxOptions, startSandbox } from "../../src/sandbox/sandbox.ts";

export interface Reply {
  status: number;
  headers: IncomingHttpHeaders;
  bytes: Buffer;
  /** The body as text, as it came: still compressed if it is. */
  text: string;
}

export interface Asked {
  method?: string;
  headers?: Record<string, string | string[]>;
  body?: string | Buffer;
}

/** A sandbox for the tests of one file, with few rows, and a token for it. */
export class Bench {
  #sandbox: Sandbox | undefined;
  #ca = "";
  #token = "";

  /** Starts before the file's tests and stops after them. */
  static forThisFile(options: Omit<SandboxOptions, "directory"> = {}): Bench {
    const bench = new Bench();
    let directory = "";
    before(async () => {
      directory = await mkdtemp(join(tmpdir(), "bqtape-sandbox-"));
      await bench.start({ rows: 6000, ...options, directory });
    });
    after(async () => {
      await bench.sandbox.close();
      await rm(directory, { recursive: true });
    });
    return bench;
  }

  get sandbox(): Sandbox {
    if (this.#sandbox === undefined) throw new Error("the sandbox has not started");
    return this.#sandbox;
  }

  get token(): string {
    return this.#token;
  }

  async start(options: SandboxOptions): Promise<void> {
    this.#sandbox = await startSandbox(options);
    this.#ca = await readFile(this.#sandbox.caFile, "utf8");
    // The real client takes its authorities from the process.
    setDefaultCACertificates([...getCACertificates("default"), this.#ca]);
    const reply = await this.requestToken(await this.assertion());
    this.#token = JSON.parse(reply.text).access_token;
  }

  /** The real client, with a token of the sandbox: its library asks for tokens at Google's address only. */
  client(): BigQuery {
    const authClient = new OAuth2Client();
    authClient.setCredentials({ access_token: this.#token, expiry_date: Date.now() + 3_600_000 });
    return new BigQuery({ projectId: this.sandbox.project, apiEndpoint: this.sandbox.url, authClient });
  }

  /** An assertion of the service account, as it should be but for `claims`. */
  async assertion(claims: object = {}, header: object = {}): Promise<string> {
    const key = JSON.parse(await readFile(this.sandbox.keyFile, "utf8"));
    const now = Math.floor(Date.now() / 1000);
    const payload = {
      iss: key.client_email,
      aud: this.sandbox.tokenUrl,
      iat: now,
      exp: now + 3600,
      scope: "https://www.googleapis.com/auth/bigquery",
      ...claims,
    };
    const signed = [{ alg: "RS256", typ: "JWT", ...header }, payload].map(encode).join(".");
    return `${signed}.${createSign("RSA-SHA256").update(signed).sign(key.private_key, "base64url")}`;
  }

  requestToken(assertion: string, grantType = "urn:ietf:params:oauth:grant-type:jwt-bearer"): Promise<Reply> {
    return this.ask("/token", {
      method: "POST",
      headers: { "content-type": "application/x-www-form-urlencoded" },
      body: new URLSearchParams({ grant_type: grantType, assertion }).toString(),
    });
  }

  /** A request as it is written here, without a token. */
  ask(path: string, { method = "GET", headers = {}, body }: Asked = {}): Promise<Reply> {
    const { promise, resolve, reject } = Promise.withResolvers<Reply>();
    const outgoing = request(new URL(path, this.sandbox.url), {
      method,
      headers,
      ca: this.#ca,
      agent: false,
    });
    outgoing.on("error", reject);
    outgoing.on("response", async (incoming) => {
      const bytes = Buffer.concat(await incoming.toArray());
      resolve({ status: incoming.statusCode ?? 0, headers: incoming.headers, bytes, text: bytes.toString() });
    });
    outgoing.end(body);
    return promise;
  }

  /** A call below the project, with the token; answers the status and the parsed body. */
  async call(method: string, path: string, body?: object): Promise<{ status: number; body: Json }> {
    const reply = await this.ask(`/bigquery/v2/projects/${this.sandbox.project}${path}`, {
      method,
      headers: { authorization: `Bearer ${this.#token}`, "content-type": "application/json" },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    return { status: reply.status, body: reply.text === "" ? undefined : JSON.parse(reply.text) };
  }

  /** The rows of a query, in their wire form without the wrapping. */
  async rows(query: string, more: object = {}): Promise<Json[][]> {
    const { status, body } = await this.query(query, more);
    if (status !== 200) throw new Error(body.error.message);
    return (body.rows ?? []).map((row: Json) => row.f.map((cell: Json) => cell.v));
  }

  query(query: string, more: object = {}): Promise<{ status: number; body: Json }> {
    return this.call("POST", "/queries", { query, useLegacySql: false, ...more });
  }

  /** Puts a query job in and waits for its end. */
  async job(query: string, configuration: object = {}, more: object = {}): Promise<Json> {
    const inserted = await this.call("POST", "/jobs", {
      configuration: { ...more, query: { query, useLegacySql: false, ...configuration } },
    });
    const { jobId } = inserted.body.jobReference;
    await this.call("GET", `/queries/${jobId}?maxResults=0`);
    return (await this.call("GET", `/jobs/${jobId}`)).body;
  }
}

/** An answer whose shape is what the tests are about. */
export type Json = ReturnType<typeof JSON.parse>;

function encode(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}
