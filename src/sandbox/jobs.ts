import { randomUUID } from "node:crypto";
import type { DuckDBConnection } from "@duckdb/node-api";
import type { Catalog } from "./catalog.ts";
import type { Engine } from "./engine.ts";
import { stopped } from "./engine-errors.ts";
import { ApiError, duplicate, notFound } from "./errors.ts";
import type { Destination, Outcome } from "./execution.ts";
import { quoteIdentifier } from "./googlesql/tokens.ts";
import { Slots } from "./slots.ts";

/** Statements that run at a time. Each keeps a thread of libuv's pool, which has 4 for the whole process. */
const CONCURRENT_JOBS = 2;

/** Jobs that are remembered, and the rows of their anonymous results; beyond either the oldest is forgotten. */
const MAX_JOBS = 1000;
const MAX_RESULT_ROWS = 5_000_000;

/** How long a `requestId` of jobs.query stands for the same job. */
const REQUEST_ID_MS = 15 * 60_000;

/** What a job is asked to do. */
export interface JobSpec {
  type: "QUERY" | "LOAD";
  /** Whose job it is. */
  email: string;
  jobId?: string | undefined;
  requestId?: string | undefined;
  /** Default: a new anonymous table. */
  destination?: Destination | undefined;
  labels?: Record<string, string> | undefined;
  /** `configuration.query` or `configuration.load` as the request had it, for jobs.get. */
  configuration: object;
  run(connection: DuckDBConnection, destination: Destination): Promise<Outcome>;
}

/** Waiting for its turn; at work; or ended, with an outcome or an error. */
export type JobState = "PENDING" | "RUNNING" | "DONE";

/** A query job. Times are milliseconds since 1970. */
export class Job {
  readonly id: string;
  /** Its place among all jobs, in the order of creation. */
  readonly number: number;
  readonly spec: JobSpec;
  readonly destination: Destination;
  readonly created = Date.now();
  state: JobState = "PENDING";
  started: number | undefined;
  ended: number | undefined;
  outcome: Outcome | undefined;
  error: ApiError | undefined;
  /** Settles when the job has ended; never rejects. */
  done: Promise<void> = Promise.resolve();
  #connection: DuckDBConnection | undefined;
  #cancelled = false;

  constructor(number: number, spec: JobSpec, destination: Destination) {
    this.number = number;
    this.id = spec.jobId ?? `job_${randomUUID().replaceAll("-", "")}`;
    this.spec = spec;
    this.destination = destination;
  }

  /** The outcome of a job that has ended well. */
  requireOutcome(): Outcome {
    if (this.error !== undefined) throw this.error;
    if (this.outcome === undefined) throw new Error("the job has not ended");
    return this.outcome;
  }

  async run(engine: Engine): Promise<void> {
    this.started = Date.now();
    this.state = "RUNNING";
    try {
      if (this.#cancelled) throw stopped();
      this.outcome = await engine.use(async (connection) => {
        this.#connection = connection;
        return this.spec.run(connection, this.destination);
      });
    } catch (error) {
      this.error = this.#cancelled ? stopped() : toApiError(error);
    } finally {
      this.#connection = undefined;
      this.state = "DONE";
      this.ended = Date.now();
    }
  }

  /** Asks for the end of the job; `done` tells when it has come. Of no effect on a job that has ended. */
  cancel(): void {
    if (this.state === "DONE") return;
    this.#cancelled = true;
    this.#connection?.interrupt();
    // DuckDB forgets an interrupt that comes between two statements, so it is said again until the job has ended.
    const again = setInterval(() => this.#connection?.interrupt(), 20);
    void this.done.then(() => clearInterval(again));
  }

  /** Waits for the end, but not longer than `milliseconds`. */
  async waitFor(milliseconds: number): Promise<void> {
    if (this.state === "DONE") return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, milliseconds);
    await Promise.race([this.done, promise]);
    clearTimeout(timer);
  }
}

export function toApiError(error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new ApiError(500, "internalError", `The bqtape sandbox failed: ${message}`, undefined, {
    cause: error,
  });
}

/** The jobs of the sandbox, oldest first. */
export class JobStore {
  readonly #engine: Engine;
  readonly #catalog: Catalog;
  readonly #jobs = new Map<string, Job>();
  readonly #slots = new Slots(CONCURRENT_JOBS);
  #count = 0;

  constructor(engine: Engine, catalog: Catalog) {
    this.#engine = engine;
    this.#catalog = catalog;
  }

  /** @throws {ApiError} 409, when there is a job of this id. */
  submit(spec: JobSpec): Job {
    const repeated = this.#byRequestId(spec.requestId);
    if (repeated !== undefined) return repeated;
    const job = new Job(this.#count, spec, spec.destination ?? this.#anonymousTable());
    this.#count += 1;
    if (this.#jobs.has(job.id)) throw duplicate(`Job ${this.#label(job.id)}`);
    this.#jobs.set(job.id, job);
    job.done = this.#slots.run(() => job.run(this.#engine)).then(() => this.#forgetOldest(job));
    return job;
  }

  /** @throws {ApiError} 404 */
  get(id: string): Job {
    const job = this.#jobs.get(id);
    if (job === undefined) throw notFound(`Job ${this.#label(id)}`);
    return job;
  }

  list(): Job[] {
    return [...this.#jobs.values()];
  }

  /** Forgets the job, and drops its result if that has no name of its own. */
  async delete(job: Job): Promise<void> {
    if (job.destination.anonymous) await this.#dropResult(job);
    this.#jobs.delete(job.id);
  }

  async #dropResult(job: Job): Promise<void> {
    const { dataset, table } = job.destination.table;
    await this.#engine.use(async (connection) => {
      await connection.run(`DROP TABLE IF EXISTS ${quoteIdentifier(dataset)}.${quoteIdentifier(table)}`);
      await this.#catalog.refresh(connection, Date.now());
    });
  }

  /** Ends all jobs. */
  async close(): Promise<void> {
    for (const job of this.#jobs.values()) job.cancel();
    await Promise.all([...this.#jobs.values()].map((job) => job.done));
  }

  async #forgetOldest(newest: Job): Promise<void> {
    const rowsOf = (job: Job): number => (job.destination.anonymous ? (job.outcome?.totalRows ?? 0) : 0);
    let rows = this.list().reduce((sum, job) => sum + rowsOf(job), 0);
    for (const job of this.list()) {
      if (this.#jobs.size <= MAX_JOBS && rows <= MAX_RESULT_ROWS) return;
      if (job === newest || job.state !== "DONE") continue;
      rows -= rowsOf(job);
      await this.delete(job);
    }
  }

  #byRequestId(requestId: string | undefined): Job | undefined {
    if (requestId === undefined) return undefined;
    const since = Date.now() - REQUEST_ID_MS;
    return this.list().find((job) => job.spec.requestId === requestId && job.created >= since);
  }

  #anonymousTable(): Destination {
    const table = `anon${randomUUID().replaceAll("-", "")}`;
    return {
      table: { dataset: this.#catalog.anonymousDataset, table },
      anonymous: true,
      write: "WRITE_TRUNCATE",
      create: "CREATE_IF_NEEDED",
    };
  }

  #label(id: string): string {
    return `${this.#catalog.project}:US.${id}`;
  }
}
