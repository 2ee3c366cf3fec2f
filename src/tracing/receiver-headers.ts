import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { validateHeaderName, validateHeaderValue } from "node:http";
import { ConfigError } from "../config/errors.ts";

/**
 * The headers that `tracing.headersFile` holds, read anew each time: credentials change. When that fails, those of the last
 * time are shown again.
 *
 * @throws {ConfigError} at once, when the file cannot be used.
 */
export function receiverHeaders(file: string | undefined): () => Promise<Record<string, string>> {
  if (file === undefined) return async () => ({});
  let last: Record<string, string>;
  try {
    last = parseHeaders(readFileSync(file, "utf8"));
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new ConfigError(`tracing.headersFile ${file} cannot be used: ${reason}`, { cause });
  }
  return async () => {
    try {
      last = parseHeaders(await readFile(file, "utf8"));
    } catch {
      // It may be just being written.
    }
    return last;
  };
}

/** @throws {Error} that names the line, never what is in it. */
function parseHeaders(text: string): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    if (line.trim() === "") continue;
    const at = line.indexOf(":");
    const name = line.slice(0, Math.max(0, at)).trim();
    const value = line.slice(at + 1).trim();
    try {
      validateHeaderName(name);
      validateHeaderValue(name, value);
    } catch {
      throw new Error(`line ${index + 1} is no header; write it as "name: value"`);
    }
    headers[name] = value;
  }
  return headers;
}
