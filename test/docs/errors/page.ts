import { code, GENERATED, page, table } from "../markdown.ts";
import { GRPC, JOURNAL, REFUSALS, RULES, SESSION_OVER, UPSTREAM } from "./agent.ts";
import { IDENTITY } from "./identity.ts";
import type { Answered, Meaning } from "./meaning.ts";
import { ARCHIVE, AUTHORITY, NOTES, PROBLEMS, RECORDS, SINK } from "./operator.ts";
import { API, EXITS } from "./programs.ts";

/** `docs/reference/errors.md` */
export function errorsPage(): string {
  return page(
    "# Errors",
    GENERATED,
    "Messages are for people, and may change; codes are for programs.",
    "## What an agent sees",
    AGENT,
    table(
      ["gRPC's status", "in place of"],
      GRPC.map(([http, status]) => [status, http]),
    ),
    "Recordings have the code in `error.code` (in Kafka `unmapped.error_code`):",
    table(
      ["code", "status", "means", "what to do"],
      [
        ...Object.entries(REFUSALS).map(answered),
        ...Object.entries(SESSION_OVER).map(([name, told]) => [code(`session.${name}`), "403", ...told]),
        ...Object.entries(JOURNAL).map(([name, told]) => [
          code(`recording.${name}`),
          JOURNAL_STATUS[name] ?? "503",
          ...told,
        ]),
        ...UPSTREAM.map((told) => answered(["upstream.CODE", told])),
        [
          code("denied.RULE"),
          "403, 400",
          "a rule has denied it; see below",
          "the message says what would be allowed",
        ],
      ],
    ),
    "### Rules",
    table(["rule", ""], pairs(RULES)),
    "## Who is not known",
    `Whoever is not known gets the same 407 (of the API: 401) after the same time. \`identity.refused\` in the recording and
\`bqtape_identities_refused_total\` have the reason; besides these, why a session is over (see above), and \`claim-NAME\` for a registered
claim, such as \`claim-aud\`, that is not as it has to be.`,
    meanings(IDENTITY, "reason"),
    "## The API",
    '`{ "error": { "code", "message" } }` with the status. [The routes](api.md).',
    table(["code", "status", "means", "what to do"], Object.entries(API).map(answered)),
    "## Commands",
    table(
      ["exit code", "means"],
      EXITS.map(([exit, means]) => [exit, means]),
    ),
    "## The journal",
    "In the gateway's log, and as `recording.CODE` in recordings.",
    meanings(JOURNAL),
    "## Kafka",
    "In the gateway's log (`code` of `Kafka is waited for`), in `/readyz`'s warning in words. Agents notice nothing of these before the journal is full.",
    meanings(SINK),
    "Of records that a reader of the topics finds (`archive --from kafka`, `tail`):",
    meanings(RECORDS),
    "## The archive",
    "Commands print the message alone.",
    meanings(ARCHIVE),
    "## The certificate authority",
    "The gateway does not start, or at a reload stays with what it has.",
    meanings(AUTHORITY),
    "## What verify finds",
    "Exit code 3:",
    table(["kind", "means"], pairs(PROBLEMS)),
    "No fault of the recording, and no proof either:",
    table(["kind", "means"], pairs(NOTES)),
  );
}

/** Of what is not 503. */
const JOURNAL_STATUS: Readonly<Record<string, string>> = { unusable: "none", "too-long": "413" };

const AGENT = `Errors are BigQuery's own JSON, so every client shows them: \`error.message\` begins with \`bqtape: \`, and the reason in \`errors[0].reason\` tells
clients whether to try again (only \`backendError\`, with 502, 503 and 504). The answer's \`bqtape-exchange\` header has the id of the exchange.
What is refused before a request, at CONNECT, is a line of plain text; many clients show only its status. What is refused
when an answer has begun is cut, so that nobody takes it for a whole one.`;

function answered([name, told]: readonly [string, Answered]): string[] {
  return [code(name), ...told];
}

function meanings(of: Readonly<Record<string, Meaning>>, header = "code"): string {
  const rows = Object.entries(of).map(([name, told]) => [code(name), ...told]);
  return table([header, "means", "what to do"], rows);
}

function pairs(of: Readonly<Record<string, string>>): string[][] {
  return Object.entries(of).map(([name, means]) => [code(name), means]);
}
