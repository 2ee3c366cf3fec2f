import type {
  RecordedEvent,
  SessionEnded,
  SessionRenewed,
  SessionRevoked,
  SessionStarted,
} from "../recording/events.ts";
import type { Place } from "./columns.ts";
import { ExchangeRows, type RowTools } from "./exchange-rows.ts";
import type { Prepared } from "./prepared.ts";
import { Tallies } from "./tallies.ts";

/** Writes the rows that events make: what is searched, sorted and counted. Only within a transaction. */
export class EventRows {
  readonly exchanges: ExchangeRows;
  readonly #do: Prepared;
  readonly #tallies = new Tallies();

  constructor(tools: Omit<RowTools, "tallies">) {
    this.#do = tools.prepared;
    this.exchanges = new ExchangeRows({ ...tools, tallies: this.#tallies });
  }

  /** Writes what an event tells. */
  event(event: RecordedEvent, place: Place): void {
    const { journal, position } = place;
    switch (event.type) {
      case "exchange.requested":
        this.exchanges.requested(event, place);
        return;
      case "exchange.completed":
      case "exchange.denied":
        this.exchanges.ended(event, place);
        return;
      case "gateway.started":
        this.#do.run.run(event.gateway, journal, event.version, event.time, event.truncatedBytes);
        this.exchanges.cutShort(journal, position);
        return;
      case "gateway.stopped":
        this.#do.stopRun.run(event.time, event.gateway);
        return;
      case "session.started":
        this.#session(event);
        return;
      case "session.renewed":
        this.#ofSession(event);
        this.#do.renewSession.run(
          ...[event.time, event.principal.user, JSON.stringify(event.principal.groups), event.session],
        );
        return;
      case "session.ended":
      case "session.revoked":
        this.#sessionOver(event);
        return;
      case "identity.refused": {
        const { time, source, userAgent, reason, suppressed } = event;
        const { address, port } = source;
        this.#do.refusedIdentity.run(
          ...[journal, position, time, address, port, userAgent ?? null, reason, suppressed],
        );
        return;
      }
      case "checkpoint":
        return;
      default:
        throw new TypeError("an event of a type that is not known");
    }
  }

  #sessionOver(event: SessionEnded | SessionRevoked): void {
    this.#ofSession(event);
    const revoked = event.type === "session.revoked";
    const by = revoked ? event.by.user : null;
    this.#do.endSession.run(revoked ? "revoked" : "ended", event.time, event.because, by, event.session);
  }

  /** Its beginning may be in another journal, and come later. */
  #ofSession({ session, time, principal, source }: SessionRenewed | SessionEnded | SessionRevoked): void {
    this.#do.bareSession.run(session, time, principal.user, source?.address ?? "", source?.port ?? 0);
  }

  #session(event: SessionStarted): void {
    const { session, time, principal, source, userAgent, agent, purpose, expiresAt } = event;
    this.#do.session.run(
      ...[session, time, principal.user, principal.subject, JSON.stringify(principal.groups)],
      ...[source.address, source.port, userAgent ?? null, principal.issuer ?? null],
      ...[agent ?? null, purpose ?? null, expiresAt ?? null],
    );
  }

  /** Writes what was counted since the last time. */
  writeTallies(): void {
    for (const [session, tally] of this.#tallies.take()) {
      const { exchanges, statements, ended, denied, incomplete, bytes, lastActivity } = tally;
      this.#do.tallySession.run(
        ...[exchanges, statements, ended, denied, incomplete, bytes, lastActivity, session],
      );
    }
  }

  /** The transaction was rolled back. */
  discard(): void {
    this.exchanges.discard();
    this.#tallies.take();
  }
}
