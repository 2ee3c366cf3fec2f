import type { AnswerSummary } from "../../../bigquery/answer.ts";
import type { BodySummary, HeaderList, Phases } from "../../../recording/events.ts";
import { type Asked, BOUNDS } from "../asked.ts";
import type { KnownPrincipal } from "../sessions.ts";
import { short } from "../text.ts";

/** How an exchange ended. */
export interface End {
  /** As in the recording; `incomplete`: the gateway ended before the exchange did. */
  readonly outcome: "complete" | "aborted" | "denied" | "incomplete";
  /** HTTP status that the agent was sent; 0 when none was. */
  readonly status: number;
  readonly grpcStatus?: number;
  readonly answeredBy?: "upstream" | "gateway";
  readonly error?: { readonly code: string; readonly message: string };
  readonly request: BodySummary;
  /** The request was refused before its body was read, or as far as it was, not recorded. */
  readonly requestUnread?: true;
  readonly response: BodySummary & { readonly headers: HeaderList; readonly trailers?: HeaderList };
  readonly phases?: Phases;
  readonly credential?: string;
}

/** Whether an exchange was a tunnel, even if its beginning is not known: of bytes that pass unseen there is no digest. */
export function passedUnseen({ request, response }: Pick<End, "request" | "response">): boolean {
  return request.sha256 === undefined && response.sha256 === undefined;
}

/** What is known of an exchange when one of its events is made. */
export interface Scene {
  readonly exchange: string;
  readonly session: string | undefined;
  readonly principal: KnownPrincipal | undefined;
  /** Absent of an end whose beginning is not known. */
  readonly asked: Asked | undefined;
  /** Of the request, when it is the request that is told. */
  readonly headers?: HeaderList;
  readonly end?: End;
  /** What the answer told of the work. */
  readonly answer?: AnswerSummary | undefined;
}

/** The job that an exchange is about: the one that BigQuery names, else the one that the agent does. */
export function jobOf(asked: Asked | undefined, answer: AnswerSummary | undefined): string | undefined {
  return answer?.job === undefined ? asked?.operation?.job : short(answer.job, BOUNDS.resource);
}

/** A name that may be of any length. */
export function bounded(text: string | undefined): string | undefined {
  return text === undefined ? undefined : short(text, BOUNDS.name);
}
