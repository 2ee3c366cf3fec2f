import type { Readable } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import type { BigQuery } from "@google-cloud/bigquery";
import { Backoff } from "../../delivery/backoff.ts";
import { type Fields, fields } from "../../delivery/records/fields.ts";
import { ArchiveError, messageOf } from "../errors.ts";
import { type DatasetName, statusOf } from "./schema.ts";
import type { Spool } from "./spool.ts";
import type { TableName } from "./tables.ts";

export interface LoaderOptions extends DatasetName {
  readonly client: BigQuery;
  /** Of the dataset: its jobs run there. */
  readonly location: string;
  /** Told of what has to be tried again. */
  readonly onTrouble: (message: string) => void;
  /** Keeps a row that BigQuery refuses for itself; when it returns the row is safe. */
  readonly onRefused: (refused: RefusedRow) => void;
}

export interface RefusedRow {
  readonly table: TableName;
  /** One line of JSON. */
  readonly row: string;
  /** In BigQuery's words. */
  readonly reason: string;
}

/** Rows that are loaded together. */
export interface Load {
  readonly table: TableName;
  /** Of the job: the same rows have the same, whoever loads them. */
  readonly id: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly rows: Spool;
}

/** Rows of one load that BigQuery may refuse for themselves: beyond, it is not the rows that are at fault. */
const MAX_REFUSED = 20;
/** Milliseconds between two looks at a job. */
const POLL = { first: 250, last: 5_000 };

interface JobEnd {
  /** Undefined: it went well. */
  readonly reason: string | undefined;
  readonly message: string;
  readonly labels: Fields;
  /** How many it has put into the table, where BigQuery says it. */
  readonly rows: number | undefined;
}

/**
 * Puts rows into tables by load jobs whose ids are made of what they hold. BigQuery takes an id once: whoever loads the same
 * rows again, after a crash or an answer that was lost, finds the job that did it. So each row is in its table once.
 */
export class Loader {
  readonly #options: LoaderOptions;

  constructor(options: LoaderOptions) {
    this.#options = options;
  }

  /**
   * Loads rows, for as long as it takes: BigQuery that is away or refuses is asked again.
   *
   * @throws {ArchiveError} when BigQuery refuses so many rows for themselves that it cannot be these; when aborted.
   */
  async load(load: Load, signal: AbortSignal): Promise<void> {
    let refused = 0;
    const part = async (id: string, from: number, to: number): Promise<void> => {
      const fault = await this.#run(load, { id, from, to }, signal);
      if (fault === undefined) return;
      if (to - from > 1) {
        const middle = Math.ceil((from + to) / 2);
        await part(`${id}0`, from, middle);
        await part(`${id}1`, middle, to);
        return;
      }
      refused += 1;
      if (refused > MAX_REFUSED) {
        throw new ArchiveError(
          "failed",
          `BigQuery refuses more than ${MAX_REFUSED} rows of one load into ${this.#label(load.table)}, the last with "${fault}": look at the table's columns; nothing was skipped, and what is loaded is not loaded again`,
        );
      }
      const [row = ""] = (await load.rows.read(from, to).toArray()).map(String);
      this.#options.onRefused({ table: load.table, row: row.trimEnd(), reason: fault });
    };
    await part(load.id, 0, load.rows.rows);
  }

  /** The labels of a job that was made before; undefined when there is none. */
  async labelsOf(id: string, signal: AbortSignal): Promise<Fields | undefined> {
    const found = await this.#persist(signal, `job ${id} cannot be asked for`, async () => {
      try {
        return { resource: await this.#get(id) };
      } catch (error) {
        if (statusOf(error) === 404) return { resource: undefined };
        throw error;
      }
    });
    if (found.resource === undefined) return undefined;
    return labelsOf(found.resource);
  }

  /** Runs a job until it has loaded the rows; answers why they cannot be loaded as they are. */
  async #run(
    load: Load,
    { id, from, to }: { readonly id: string; readonly from: number; readonly to: number },
    signal: AbortSignal,
  ): Promise<string | undefined> {
    const backoff = new Backoff();
    for (let attempt = 0; ; attempt += 1) {
      const name = attempt === 0 ? id : `${id}_${attempt}`;
      const what = `${to - from} rows for ${this.#label(load.table)} (job ${name})`;
      const made = await this.#persist(signal, `${what} are not taken`, () =>
        this.#insert(load, name, load.rows.read(from, to)),
      );
      const end = await this.#ended(name, what, signal);
      if (!made) requireSame(end.labels, load, what);
      if (end.reason === undefined) {
        if (end.rows === undefined || end.rows === to - from) return undefined;
        throw new ArchiveError(
          "failed",
          `of ${what} BigQuery has loaded ${end.rows}: nothing behind them is committed`,
        );
      }
      if (end.reason === "invalid") {
        // A half that an earlier process has loaded must not be loaded once more with the whole.
        if (made || (await this.labelsOf(`${id}0`, signal)) !== undefined) return end.message;
      }
      // What made an earlier job fail may have been mended since: its id is spent, not its rows.
      if (!made) continue;
      this.#options.onTrouble(`${what} failed, and is tried again: ${end.message}`);
      await delay(backoff.next(), undefined, { signal });
    }
  }

  /** Answers whether the job was made now: not by an earlier attempt, of this process or of another. */
  async #insert({ table, labels }: Load, jobId: string, media: Readable): Promise<boolean> {
    const { client, project, dataset, location } = this.#options;
    const resource = {
      jobReference: { projectId: client.projectId, jobId, location },
      configuration: {
        labels,
        load: {
          destinationTable: { projectId: project, datasetId: dataset, tableId: table },
          sourceFormat: "NEWLINE_DELIMITED_JSON",
          createDisposition: "CREATE_NEVER",
          writeDisposition: "WRITE_APPEND",
          maxBadRecords: 0,
        },
      },
    };
    try {
      await this.#request({
        method: "POST",
        uri: `${client.apiEndpoint}/upload/bigquery/v2/projects/${client.projectId}/jobs`,
        qs: { uploadType: "multipart" },
        multipart: [
          { "Content-Type": "application/json", body: JSON.stringify(resource) },
          { "Content-Type": "application/octet-stream", body: media },
        ],
        // The rows are a stream: it cannot be sent a second time.
        maxRetries: 0,
      });
      return true;
    } catch (error) {
      if (statusOf(error) !== 409) throw error;
      return false;
    } finally {
      media.destroy();
    }
  }

  async #ended(id: string, what: string, signal: AbortSignal): Promise<JobEnd> {
    for (let pause = POLL.first; ; pause = Math.min(pause * 2, POLL.last)) {
      const job = await this.#persist(signal, `how ${what} went is not told`, () => this.#get(id));
      const status = fields(job).object("status");
      if (status.text("state") === "DONE") {
        // Errors beside it are of what went well all the same ("JobStatus").
        const result = status.object("errorResult");
        const reason =
          result.text("reason") ?? (result.text("message") === undefined ? undefined : "unknown");
        const rows = Number(fields(job).object("statistics").object("load").text("outputRows"));
        return {
          reason,
          message: wordsOf(status),
          labels: labelsOf(job),
          rows: Number.isInteger(rows) ? rows : undefined,
        };
      }
      await delay(pause, undefined, { signal });
    }
  }

  #get(jobId: string): Promise<unknown> {
    const { location } = this.#options;
    return this.#request({ uri: `/jobs/${jobId}`, qs: { location } });
  }

  /** Through Google's client, which knows credentials, retries and errors. */
  #request(options: object): Promise<unknown> {
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    this.#options.client.request(options as Parameters<BigQuery["request"]>[0], (error, body) => {
      if (error) reject(error);
      else resolve(body);
    });
    return promise;
  }

  /** Tries until it works. */
  async #persist<T>(signal: AbortSignal, trouble: string, attempt: () => Promise<T>): Promise<T> {
    const backoff = new Backoff();
    for (;;) {
      signal.throwIfAborted();
      try {
        return await attempt();
      } catch (error) {
        this.#options.onTrouble(`${trouble}, and it is tried again: ${messageOf(error)}`);
        await delay(backoff.next(), undefined, { signal });
      }
    }
  }

  #label(table: TableName): string {
    const { project, dataset } = this.#options;
    return `${project}.${dataset}.${table}`;
  }
}

/** What BigQuery says of a failed job: the result is often but a summary of the errors. */
function wordsOf(status: Fields): string {
  const errors = [status.object("errorResult"), ...status.list("errors")].flatMap(
    (each) => each.text("message") ?? each.text("reason") ?? [],
  );
  return [...new Set(errors)].slice(0, 3).join("; ").slice(0, 1_000);
}

function labelsOf(job: unknown): Fields {
  return fields(job).object("configuration").object("labels");
}

/** Two readers that began at the same place and ended at different ones: what one loaded is not what the other has. */
function requireSame(found: Fields, { labels }: Load, what: string): void {
  for (const [name, value] of Object.entries(labels)) {
    if (found.text(name) === value) continue;
    throw new ArchiveError(
      "failed",
      `another reader of this group has loaded ${what} together with others: start again, and it goes on from there`,
    );
  }
}
