import { Agent } from "undici";
import { type Judged, judge, outlookOf, Tally } from "../../archive/dry-run.ts";
import { sessionJson } from "../../archive/json.ts";
import { text } from "../../archive/pace.ts";
import { sessionLines } from "../../archive/print/session.ts";
import type { Style } from "../../archive/print/style.ts";
import { tallyLine, verdictLines } from "../../archive/print/verdict.ts";
import type { ArchivedSession } from "../../archive/records/session.ts";
import { NO_SESSION } from "../../archive/records/session.ts";
import type { ArchiveSearch, Found } from "../../archive/search.ts";
import type { StatementFacts } from "../../archive/statement-facts.ts";
import { askForVerdict, type DryRun, type Verdict } from "../../bigquery/dry-run.ts";
import { loadConfig } from "../../config/load.ts";
import { openCredentials } from "../../credentials/per-group.ts";
import type { Principal } from "../../recording/events.ts";
import { UsageError } from "../failure.ts";
import { trustedUpstream } from "../upstream-trust.ts";

/** Bounds of a request to BigQuery; milliseconds, bytes. A dry run runs nothing, so it does not take long. */
const REQUESTS = { headersTimeout: 60_000, bodyTimeout: 30_000, maxResponseSize: 16 * 1024 * 1024 };

export interface DryRunOptions {
  readonly search: ArchiveSearch;
  readonly found: Found;
  /** The configuration file; absent: the environment alone. */
  readonly config: string | undefined;
  /** How to print; absent: as one JSON object. */
  readonly style: Style | undefined;
  /** Gets what is printed. */
  readonly write: (parts: AsyncIterable<string>) => Promise<void>;
}

/**
 * Asks BigQuery about each statement with the credential that whoever asked then would get now, and prints what it says.
 *
 * @returns whether nothing that BigQuery took then would fail now, as far as all of it is known.
 * @throws {UsageError} when there is no credential for them; {@link askForVerdict}'s errors.
 */
export async function dryRunReplay({ search, found, config, style, write }: DryRunOptions): Promise<boolean> {
  const { credential, upstream } = await loadConfig({ file: config });
  const secureContext = await trustedUpstream(upstream.caFile);
  const dispatcher = new Agent({ connect: { secureContext }, ...REQUESTS });
  try {
    const principal = principalOf(search, found);
    const shown = (await openCredentials(credential, dispatcher)).of(principal);
    if (shown === undefined) {
      const groups = principal.groups.length === 0 ? "no group" : `groups ${principal.groups.join(", ")}`;
      throw new UsageError(
        `--dry-run: the configuration has no credential for ${principal.user} (${groups}): add one for them to credential.groups`,
      );
    }
    const ask = async (dryRun: DryRun): Promise<Verdict> => {
      const origin = upstream.overrides[dryRun.host] ?? `https://${dryRun.host}`;
      return askForVerdict(dryRun, { dispatcher, origin, token: await shown.token() });
    };
    const tally = new Tally();
    const session = sessionOf(search, found);
    const judged = counted(judge(search, found, ask), tally);
    await write(
      style === undefined ? jsonParts(session, judged, tally) : textParts(session, judged, tally, style),
    );
    return tally.sound;
  } finally {
    await dispatcher.destroy();
  }
}

function sessionOf(search: ArchiveSearch, found: Found): ArchivedSession | undefined {
  return found.kind === "session" ? found.session : search.session(found.exchange.session ?? NO_SESSION);
}

/** Who asked then, as far as it was recorded. */
function principalOf(search: ArchiveSearch, found: Found): Principal {
  const { user = "", subject = "", groups = [] } = sessionOf(search, found) ?? {};
  return { user, subject, groups };
}

async function* counted(judged: AsyncIterable<Judged>, tally: Tally): AsyncGenerator<Judged> {
  for await (const each of judged) {
    tally.add(each);
    yield each;
  }
}

async function* textParts(
  session: ArchivedSession | undefined,
  judged: AsyncIterable<Judged>,
  tally: Tally,
  style: Style,
): AsyncGenerator<string> {
  if (session !== undefined) yield text(sessionLines(session, style));
  for await (const each of judged) {
    yield text(verdictLines(each, style, session?.started ?? each.statement.part.exchanges[0]?.time ?? 0));
  }
  yield text([tallyLine(tally, style)]);
}

async function* jsonParts(
  session: ArchivedSession | undefined,
  judged: AsyncIterable<Judged>,
  { counts }: Tally,
): AsyncGenerator<string> {
  const head = session === undefined ? "{" : `{"session":${JSON.stringify(sessionJson(session))},`;
  yield `${head}"statements":[`;
  let separator = "";
  for await (const each of judged) {
    const { part, facts, sql } = each.statement;
    const today = { ...each.verdict, outlook: outlookOf(each) };
    yield separator + JSON.stringify({ exchange: part.id, sql, recorded: recordedJson(facts), today });
    separator = ",";
  }
  yield `],"counts":${JSON.stringify(counts)}}\n`;
}

function recordedJson({ state, statementType, bytesProcessed: bytes }: StatementFacts) {
  return { state, statementType, bytes };
}
