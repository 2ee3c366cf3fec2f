import type { ArchivedExchange } from "../records/exchange.ts";
import type { ArchivedSession } from "../records/session.ts";
import { NO_SESSION } from "../records/session.ts";
import type { ArchiveSearch, Found } from "../search.ts";

/** What is exported: one session, one exchange, or all that happened at a time or by a user. */
export type Selection = Found | ({ readonly kind: "window" } & Window);

export interface Window {
  /** From this time on; milliseconds since the Unix epoch. */
  readonly since?: number | undefined;
  /** Up to in front of this time. */
  readonly until?: number | undefined;
  /** A user or a subject, exactly, whatever the case. */
  readonly user?: string | undefined;
}

/** Selected exchanges of one session, in the order they began. */
export interface SelectedSession {
  /** Absent of exchanges that were refused before they had a session, and where the session is not in the archive. */
  readonly session?: ArchivedSession;
  readonly exchanges: Iterable<ArchivedExchange>;
}

/** The sessions of a selection that have something selected. Exchanges come as they are taken. */
export function* selected(search: ArchiveSearch, selection: Selection): Generator<SelectedSession> {
  if (selection.kind === "exchange") {
    const { exchange } = selection;
    const session = exchange.session === undefined ? undefined : search.session(exchange.session);
    yield { ...(session !== undefined && { session }), exchanges: [exchange] };
    return;
  }
  if (selection.kind === "session") {
    const { session } = selection;
    yield { session, exchanges: search.exchanges(session.id) };
    return;
  }
  for (const session of sessionsIn(search, selection)) {
    const exchanges = nonEmpty(search.exchanges(session.id).filter((each) => isWithin(each.time, selection)));
    if (exchanges !== undefined) yield { session, exchanges };
  }
  const user = selection.user?.toLowerCase();
  const refused = nonEmpty(
    search
      .exchanges(NO_SESSION)
      .filter((each) => isWithin(each.time, selection))
      .filter((each) => user === undefined || each.user?.toLowerCase() === user),
  );
  if (refused !== undefined) yield { exchanges: refused };
}

/** The ids of a selection's sessions, {@link NO_SESSION} for what was refused before it had one. */
export function* selectedIds(search: ArchiveSearch, selection: Selection): Generator<string> {
  if (selection.kind === "exchange") yield selection.exchange.session ?? NO_SESSION;
  else if (selection.kind === "session") yield selection.session.id;
  else {
    for (const { id } of sessionsIn(search, selection)) yield id;
    yield NO_SESSION;
  }
}

/** Whether a time, in milliseconds since the Unix epoch, is in a window. */
export function isWithin(
  time: number,
  { since = Number.NEGATIVE_INFINITY, until = Number.POSITIVE_INFINITY }: Window,
): boolean {
  return time >= since && time < until;
}

/** Sessions that may have something in a window; the oldest first, as in the recording. */
function sessionsIn(search: ArchiveSearch, { since, until, user }: Window): ArchivedSession[] {
  return search
    .sessions({ since, user, limit: Number.MAX_SAFE_INTEGER })
    .filter(({ started }) => until === undefined || started < until)
    .sort((a, b) => a.started - b.started);
}

/** The same elements; undefined when there are none. */
function nonEmpty<T>(elements: Iterator<T>): Iterable<T> | undefined {
  const first = elements.next();
  return first.done === true ? undefined : chain(first.value, elements);
}

function* chain<T>(first: T, rest: Iterator<T>): Generator<T> {
  yield first;
  for (let next = rest.next(); next.done !== true; next = rest.next()) yield next.value;
}
