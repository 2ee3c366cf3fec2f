import type { BigQuery } from "@google-cloud/bigquery";
import { getJob, type JobWindow, type KnownJob, listJobs } from "./bigquery-jobs.ts";
import { type ActualEnd, type Finding, type Ledger, SKEW } from "./ledger.ts";
import type { JobName, RecordedEnd, RecordedJob, RecordedJobs } from "./recorded-jobs.ts";

export interface ReconcileOptions extends JobWindow {
  readonly client: BigQuery;
  readonly archive: RecordedJobs;
  readonly ledger: Ledger;
  readonly project: string;
  /** Only jobs of this location. Default: all. */
  readonly location?: string | undefined;
  /** The e-mails of the gateway's credentials, in lower case. */
  readonly serviceAccounts: ReadonlySet<string>;
  /** Jobs made from then on may not have come to the archive yet; milliseconds since the Unix epoch. */
  readonly youngFrom: number;
}

/** How many jobs were compared, and with what result; what is wrong is in the ledger's findings. */
export interface ReconcileCounts {
  /** Of BigQuery's jobs, those of the gateway's credentials. */
  jobs: number;
  /** Jobs of others, which are not looked into. */
  others: number;
  recorded: number;
  /** Parts of a script that was recorded. */
  children: number;
  /** Recorded, though the answer that would have named the job failed or was lost. */
  nameless: number;
  /** Not recorded, and too young to say that they will not be. */
  young: number;
  unrecorded: number;
  /** Jobs that were recorded, and asked BigQuery for. */
  asked: number;
  unknown: number;
  outcome: number;
}

/** An exchange may have begun so long before its job was made: its request is read whole first. */
const AHEAD = 15 * 60_000;

/**
 * Compares the jobs that BigQuery knows with those that were recorded, in both ways.
 *
 * @throws BigQuery's errors.
 */
export async function reconcile(options: ReconcileOptions): Promise<ReconcileCounts> {
  const { client, archive, ledger, project, since, until } = options;
  const counts: ReconcileCounts = {
    ...{ jobs: 0, others: 0, recorded: 0, children: 0, nameless: 0, young: 0, unrecorded: 0 },
    ...{ asked: 0, unknown: 0, outcome: 0 },
  };
  ledger.nameless(archive.nameless(project, since - AHEAD, until + SKEW));
  for await (const jobs of listJobs(client, project, { since, until })) {
    const here = jobs.filter((job) => inLocation(job.location, options));
    ledger.list(here);
    for (const job of here) count(job, options, counts);
  }
  for (const job of archive.jobs(project, since, until)) {
    if (job.location !== undefined && !inLocation(job.location, options)) continue;
    await check(job, options, counts);
  }
  return counts;
}

function inLocation(location: string, { location: wanted }: ReconcileOptions): boolean {
  return wanted === undefined || location.toLowerCase() === wanted.toLowerCase();
}

/** One of BigQuery's jobs: is it in the recordings? */
function count(job: KnownJob, options: ReconcileOptions, counts: ReconcileCounts): void {
  const { archive, ledger, serviceAccounts, youngFrom } = options;
  if (!serviceAccounts.has(job.user)) {
    counts.others += 1;
    return;
  }
  counts.jobs += 1;
  const { project, location, parent } = job;
  if (archive.made(job)) counts.recorded += 1;
  else if (parent !== undefined && archive.made({ project, location, job: parent })) counts.children += 1;
  else if (ledger.explain(job)) counts.nameless += 1;
  else if (job.created >= youngFrom) counts.young += 1;
  else {
    counts.unrecorded += 1;
    const { user, type, statementType, bytesProcessed, sql } = job;
    ledger.find({
      kind: "unrecorded",
      ...{ project, location, job: job.job, time: job.created, user, type, statementType, bytesProcessed },
      ...(sql !== "" && { sql }),
    });
  }
}

/** A recorded job: does BigQuery know it, and with the outcome that was recorded? */
async function check(job: RecordedJob, options: ReconcileOptions, counts: ReconcileCounts): Promise<void> {
  const { archive, client, ledger } = options;
  const { location = options.location } = job;
  counts.asked += 1;
  // One at the edge of the time, or of a credential that may list its own jobs only, is not among those listed.
  const actual = ledger.listed(job) ?? (await ask(client, { ...job, location }));
  const about = { ...job } satisfies Omit<Finding, "kind">;
  if (actual === undefined) {
    counts.unknown += 1;
    ledger.find({ kind: "unknown", ...about });
    return;
  }
  const recorded = archive.end(job);
  if (!contradict(recorded, actual.end)) return;
  counts.outcome += 1;
  ledger.find({ kind: "outcome", ...about, recorded: words(recorded), actual: words(actual.end) });
}

async function ask(client: BigQuery, job: JobName): Promise<{ readonly end: ActualEnd } | undefined> {
  const known = await getJob(client, job);
  if (known === undefined) return undefined;
  if (known.state !== "DONE") return { end: undefined };
  return { end: known.error === undefined ? "done" : { failed: known.error } };
}

function contradict(recorded: RecordedEnd | undefined, actual: ActualEnd): boolean {
  return recorded !== undefined && actual !== undefined && words(recorded) !== words(actual);
}

function words(end: RecordedEnd | ActualEnd): string | undefined {
  return typeof end === "object" ? `failed: ${end.failed}` : end;
}
