import { ApiError, duplicate, invalidQuery } from "./errors.ts";

/** What DuckDB says with `errors_as_json`. `position` is a byte offset in the statement. */
interface DuckDBReport {
  exception_type: string;
  exception_message: string;
  position?: string;
  error_subtype?: string;
  name?: string;
}

/**
 * DuckDB's error in BigQuery's words where there are any, else in DuckDB's own.
 *
 * @param place `[line:column]` in the query text of a byte offset in the statement.
 * @param target What "already exists" is about.
 */
export function fromDuckDBError(
  error: unknown,
  place: (byteOffset: number) => string,
  target?: string,
): unknown {
  if (error instanceof ApiError || !(error instanceof Error)) return error;
  const report = readReport(error.message);
  if (report === undefined) return error;
  const { exception_type: type, exception_message: message, position, error_subtype: subtype, name } = report;
  const at = position === undefined ? "" : ` at ${place(Number(position))}`;
  if (/^interrupt/i.test(type)) return stopped();
  if (/out of memory/i.test(type)) {
    return new ApiError(400, "resourcesExceeded", "Resources exceeded during query execution", undefined, {
      cause: error,
    });
  }
  if (type === "Catalog" && message.includes("already exists") && target !== undefined)
    return duplicate(target);
  if (type === "Parser") {
    const near = /^syntax error at or near "(.*)"$/s.exec(message)?.[1];
    const rest = message === "syntax error at end of input" ? "Unexpected end of script" : plain(message);
    return invalidQuery(`Syntax error: ${near === undefined ? rest : `Unexpected "${near}"`}${at}`, error);
  }
  if (subtype === "COLUMN_NOT_FOUND" && name !== undefined)
    return invalidQuery(`Unrecognized name: ${name}${at}`, error);
  const required = /^NOT NULL constraint failed: .*\.(\w+)$/.exec(message)?.[1];
  if (required !== undefined) return invalidQuery(`Required field ${required} cannot be null`, error);
  return invalidQuery(`${plain(message)}${at}`, error);
}

/** How a job ends that was cancelled. */
export function stopped(): ApiError {
  return new ApiError(400, "stopped", "Job execution was cancelled: User requested cancellation");
}

function readReport(message: string): DuckDBReport | undefined {
  const start = message.indexOf("{");
  if (start < 0) return undefined;
  try {
    const report: unknown = JSON.parse(message.slice(start));
    return isReport(report) ? report : undefined;
  } catch {
    return undefined;
  }
}

function isReport(value: unknown): value is DuckDBReport {
  return (
    typeof value === "object" && value !== null && "exception_type" in value && "exception_message" in value
  );
}

/** The first line, with GoogleSQL's names of functions. */
function plain(message: string): string {
  return (message.split("\n")[0] ?? message).replace(/\bbq_([A-Z])/g, "$1");
}
