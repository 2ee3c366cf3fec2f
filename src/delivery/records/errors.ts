/** Why a record of a topic cannot be read. */
export const RECORD_ERROR_CODES = [
  /** No CloudEvent of a version that is known. */
  "not-a-cloudevent",
  /** A type that this version does not know: a newer gateway's. */
  "unknown-type",
  /** A header is absent that every record of its type has. */
  "header-missing",
  /** A header, or the value, is not what its type says. */
  "malformed",
] as const;
export type RecordErrorCode = (typeof RECORD_ERROR_CODES)[number];

export class RecordError extends Error {
  override readonly name = "RecordError";
  readonly code: RecordErrorCode;

  constructor(code: RecordErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
