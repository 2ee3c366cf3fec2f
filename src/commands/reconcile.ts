import type { CommandModule, InferredOptionTypes } from "yargs";
import { catchUp } from "../archive/catch-up.ts";
import { ArchiveError, messageOf } from "../archive/errors.ts";
import { asText, writeAll } from "../archive/output.ts";
import { count, formatBytes, formatTime } from "../archive/print/quantities.ts";
import { styleFor } from "../archive/print/style.ts";
import { openForReading } from "../archive/schema.ts";
import { parseSince } from "../archive/since.ts";
import type { CredentialConfig, CredentialKind } from "../config/credential.ts";
import { dataDirOptions } from "../config/data-dir.ts";
import { loadConfig } from "../config/load.ts";
import { archiveFile } from "../config/paths.ts";
import type { Config } from "../config/schema.ts";
import { readServiceAccount } from "../credentials/google.ts";
import { UsageError } from "./failure.ts";

const options = {
  ...dataDirOptions,
  project: { type: "string", demandOption: true, describe: "whose jobs are compared" },
  since: { type: "string", demandOption: true, describe: "made since: 15m, 2h, 1d, or an ISO 8601 time" },
  until: { type: "string", describe: "made until, likewise; default: now" },
  location: { type: "string", describe: "only jobs of this location, such as EU or us-east1" },
  "service-account": {
    type: "string",
    array: true,
    describe: "the gateway's, whose jobs must be recorded; default: those of the configuration's credentials",
  },
  grace: {
    type: "string",
    default: "5m",
    describe: "how long a job may take to come to the archive; of younger ones nothing is said",
  },
  json: { type: "boolean", describe: "print one JSON object" },
} as const;

type Arguments = InferredOptionTypes<typeof options>;

/** `bqtape reconcile`: what ran with the gateway's credential, against what was recorded. Exit code 3: something is missing. */
export const reconcile: CommandModule<object, Arguments> = {
  command: "reconcile",
  describe: "compare the jobs that BigQuery knows with those that were recorded",
  builder: (yargs) =>
    yargs
      .options(options)
      .example("$0 reconcile --project my-project --since 1d", "what ran since yesterday")
      .epilogue(
        "Exit code 3 when something ran with the gateway's credential that no gateway recorded. The credential needs bigquery.jobs.listAll on the project (roles/bigquery.resourceViewer has it).",
      ),
  async handler(given) {
    const { config: file = process.env.BQTAPE_CONFIG, project, location } = given;
    const config = await loadConfig({ file });
    const since = timeOption("since", given.since);
    const until = given.until === undefined ? Date.now() : timeOption("until", given.until);
    if (since > until) throw new UsageError("--since is later than --until");
    const youngFrom = timeOption("grace", given.grace);
    const serviceAccounts = await accounts(given.serviceAccount, config.credential);
    const directory = given.dataDir ?? config.dataDir;
    const freshness = await catchUp(directory);
    const database = openForReading(archiveFile(directory));
    if (database === undefined) {
      throw new ArchiveError(
        "failed",
        `nothing has been recorded in ${directory} yet: name another with --data-dir`,
      );
    }
    // Google's client takes 100 ms to load, which other commands need not wait for.
    const [{ openOwnBigQuery }, { RecordedJobs }, { Ledger }, { reconcile }, print] = await Promise.all([
      import("./bigquery-client.ts"),
      import("../archive/reconcile/recorded-jobs.ts"),
      import("../archive/reconcile/ledger.ts"),
      import("../archive/reconcile/reconcile.ts"),
      import("../archive/reconcile/print.ts"),
    ]);
    const ledger = new Ledger();
    try {
      const archive = new RecordedJobs(database);
      if (freshness.behind > 0)
        warn(
          `the gateway's archive is ${formatBytes(freshness.behind)} behind: the latest may be missing in it`,
        );
      warnOfGaps(archive.gaps(), archive.oldest(), since);
      const { client, close } = await openOwnBigQuery(config, project);
      try {
        const counts = await told(config, () =>
          reconcile({ client, archive, ledger, project, location, since, until, youngFrom, serviceAccounts }),
        );
        const parts =
          given.json === true
            ? print.reconcileJson(ledger, counts, { project, since, until })
            : asText(print.reconcileLines(ledger, counts, styleFor(process.stdout)));
        await writeAll(process.stdout, parts);
        if (counts.unrecorded > 0) process.exitCode = 3;
      } finally {
        await close();
      }
    } finally {
      ledger.close();
      database.close();
    }
  },
};

/** BigQuery's refusals, with what to mend. */
async function told<T>({ credential }: Config, ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (cause) {
    const denied = cause instanceof Error && "code" in cause && Number(cause.code) === 403;
    const mend = denied
      ? `; the credential (${credential.type}) needs bigquery.jobs.listAll on the project`
      : "";
    throw new ArchiveError("failed", `BigQuery does not tell its jobs: ${messageOf(cause)}${mend}`, {
      cause,
    });
  }
}

/** In lower case, as BigQuery's are compared. */
async function accounts(
  named: readonly string[] | undefined,
  config: CredentialConfig,
): Promise<Set<string>> {
  if (named !== undefined && named.length > 0) return new Set(named.map((each) => each.toLowerCase()));
  const kinds: CredentialKind[] = [...config.groups, ...(config.type === "none" ? [] : [config])];
  const found = await Promise.all(kinds.map(accountOf));
  return new Set(found.map((each) => each.toLowerCase()));
}

async function accountOf(kind: CredentialKind): Promise<string> {
  switch (kind.type) {
    case "service-account":
      return (await readServiceAccount(kind.keyFile)).client_email;
    case "impersonate":
      return kind.target;
    default:
      throw new UsageError(
        `a credential of type ${kind.type} does not tell whose it is: name the gateway's accounts with --service-account`,
      );
  }
}

function warnOfGaps(gaps: number, oldest: number | undefined, since: number): void {
  if (gaps > 0)
    warn(
      `${count(gaps, "part")} of the journal could not be read: what was recorded there counts as missing`,
    );
  if (oldest !== undefined && oldest > since) {
    warn(`the archive begins at ${formatTime(oldest)}: what ran before counts as not recorded`);
  }
}

function timeOption(name: string, text: string): number {
  try {
    return parseSince(text);
  } catch (cause) {
    throw new UsageError(`--${name} ${messageOf(cause)}`, { cause });
  }
}

function warn(message: string): void {
  process.stderr.write(`bqtape: ${message}\n`);
}
