import type { CheckName } from "./names.ts";
import type { ConfiguredSite, Site } from "./site.ts";

/**
 * - `ok`: as it should be;
 * - `warn`: it works, and will not for ever, or not for everybody;
 * - `fail`: it does not work.
 */
export type Status = "ok" | "warn" | "fail";

interface Told<Part extends string> {
  /** What was looked at: one of the check's parts. A part is told once for each thing that it is about. */
  readonly part: Part;
  /** One line. */
  readonly summary: string;
  /** Lines, for those who look closer. */
  readonly detail?: string;
}

/** What was found. Whatever is not as it should be comes with how to mend it. Secrets are in none of it. */
export type Finding<Part extends string = string> =
  | (Told<Part> & { readonly status: "ok" })
  | (Told<Part> & { readonly status: "warn" | "fail"; readonly fix: string });

interface Described<Part extends string> {
  /** For `--only`. */
  readonly name: CheckName;
  readonly parts: readonly Part[];
  /** Milliseconds, after which it is told as unfinished. */
  readonly limit: number;
}

/** A check that needs no configuration. */
export interface FreeCheck<Part extends string = string> extends Described<Part> {
  readonly needs: "nothing";
  run(site: Site, signal: AbortSignal): AsyncIterable<Finding<Part>>;
}

/** A check of what a configuration says; left out where there is none. */
export interface ConfiguredCheck<Part extends string = string> extends Described<Part> {
  readonly needs: "configuration";
  run(site: ConfiguredSite, signal: AbortSignal): AsyncIterable<Finding<Part>>;
}

/**
 * Looks at one thing and tells what it finds, as it finds it. It changes nothing that is there: neither files, nor the
 * gateway's lock, ports or place in Kafka. What it throws ends it, and is told as a failure.
 */
export type Check = FreeCheck | ConfiguredCheck;

/** The part of any check that did not end by itself. */
export const UNFINISHED = "unfinished";

export function ok<Part extends string>(part: Part, summary: string, detail?: string): Finding<Part> {
  return { part, status: "ok", summary, ...(detail !== undefined && { detail }) };
}

export function warn<Part extends string>(
  part: Part,
  summary: string,
  fix: string,
  detail?: string,
): Finding<Part> {
  return { part, status: "warn", summary, fix, ...(detail !== undefined && { detail }) };
}

export function fail<Part extends string>(
  part: Part,
  summary: string,
  fix: string,
  detail?: string,
): Finding<Part> {
  return { part, status: "fail", summary, fix, ...(detail !== undefined && { detail }) };
}

/** The halves of an error's message that says what is wrong, and behind a mark how to mend it. */
export function halves(message: string, otherwise: string): { summary: string; fix: string } {
  const at = message.indexOf("; ");
  return at < 0
    ? { summary: message, fix: otherwise }
    : { summary: message.slice(0, at), fix: message.slice(at + 2) };
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
