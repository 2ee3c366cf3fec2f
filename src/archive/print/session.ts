import type { ArchivedSession, Order } from "../records/session.ts";
import { NO_SESSION } from "../records/session.ts";
import { count, formatBytes, formatDuration, formatTime } from "./quantities.ts";
import type { Style } from "./style.ts";
import { formatTable } from "./table.ts";
import { visible } from "./visible.ts";

/** The lines that head a session's replay: who, when, from where, with what. */
export function sessionLines(session: ArchivedSession, style: Style): string[] {
  if (session.id === NO_SESSION) return [style.paint("bold", "refused before a session began"), ""];
  const { started, lastActivity, subject, source, groups } = session;
  const who =
    subject === undefined || subject === session.user ? session.user : `${session.user} (${subject})`;
  const facts: [string, string][] = [
    ["who", groups.length === 0 ? who : `${who}, in ${groups.join(", ")}`],
    [
      "when",
      `${formatTime(started)} to ${formatTime(lastActivity)} (${formatDuration(lastActivity - started)})`,
    ],
    ["from", `${source.address}:${source.port}`],
    ["agent", [session.agent, session.userAgent ?? "did not say"].filter(Boolean).join(", ")],
    ...(session.purpose === undefined ? [] : [["for", session.purpose] as [string, string]]),
    ...(session.over === undefined ? [] : [["over", overLine(session.over)] as [string, string]]),
    ...(session.held === undefined ? [] : [["held", orderLine(session.held)] as [string, string]]),
    ...goneLines(session),
    [
      "did",
      [count(session.exchanges, "exchange"), ...troubles(session), formatBytes(session.bytes)].join(", "),
    ],
  ];
  return [
    style.paint("bold", `session ${visible(session.id)}`),
    ...facts.map(([name, value]) => `  ${style.paint("dim", name.padEnd(6))} ${visible(value)}`),
    "",
  ];
}

function overLine({ how, at, because, by }: NonNullable<ArchivedSession["over"]>): string {
  return `${how} at ${formatTime(at)}${by === undefined ? "" : ` by ${by}`}: ${because}`;
}

function orderLine({ at, by, because }: Order): string {
  return `since ${formatTime(at)} by ${by}: ${because}`;
}

/** Whoever finds no statement and no result has to know why. */
function goneLines({ forgotten, bodiesRetired }: ArchivedSession): [string, string][] {
  if (forgotten !== undefined) {
    const { at, by, because } = forgotten;
    return [["gone", `forgotten at ${formatTime(at)} by ${by}: ${because}`]];
  }
  return bodiesRetired === true ? [["gone", "bodies and SQL, as their time was up"]] : [];
}

/** What holds for a session as a whole, in a word. */
function keptAs({ held, forgotten, bodiesRetired }: ArchivedSession): string {
  if (held !== undefined) return forgotten === undefined ? "held" : "held, forgotten";
  if (forgotten !== undefined) return "forgotten";
  return bodiesRetired === true ? "events only" : "";
}

function troubles({ denied, incomplete }: ArchivedSession): string[] {
  return [
    ...(denied > 0 ? [`${denied} denied`] : []),
    ...(incomplete > 0 ? [`${incomplete} incomplete`] : []),
  ];
}

/** A table of sessions. */
export function sessionTable(sessions: readonly ArchivedSession[], style: Style): string[] {
  // Of loopback sessions there is nothing to say in these.
  const optional = [
    { title: "groups", of: ({ groups }: ArchivedSession) => groups.join(", ") },
    { title: "agent", of: ({ agent = "" }: ArchivedSession) => agent },
    { title: "purpose", of: ({ purpose = "" }: ArchivedSession) => purpose },
    { title: "kept", of: keptAs },
  ].filter(({ of }) => sessions.some((session) => of(session) !== ""));
  const columns = [
    { title: "session" },
    { title: "user" },
    ...optional.map(({ title }) => ({ title })),
    { title: "started" },
    { title: "last activity" },
    { title: "exchanges", right: true },
    { title: "denied", right: true },
    { title: "incomplete", right: true },
    { title: "bytes", right: true },
  ];
  const rows = sessions.map((session) => [
    session.id,
    session.user,
    ...optional.map(({ of }) => of(session)),
    formatTime(session.started).slice(0, 19),
    formatTime(session.lastActivity).slice(0, 19),
    session.exchanges.toLocaleString("en-US"),
    session.denied.toLocaleString("en-US"),
    session.incomplete.toLocaleString("en-US"),
    formatBytes(session.bytes),
  ]);
  // Cut columns would hide what an auditor looks for, so lines may be longer than the terminal is wide.
  const width = Number.POSITIVE_INFINITY;
  return formatTable(columns, rows, { width, paintHead: (line) => style.paint("bold", line) });
}
