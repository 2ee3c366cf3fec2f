import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { archiveFile } from "../../../src/config/paths.ts";
import { ANSWER, type ExchangeParts, query } from "../support.ts";

/** A word that is nowhere else: its end alone is enough to know it by, as indexes keep only what differs of words. */
export interface Marker {
  readonly what: string;
  readonly word: string;
}

export function marker(what: string): Marker {
  return { what, word: `q${randomBytes(12).toString("hex")}` };
}

/** Exchanges with words planted wherever a session quotes something, and these words. */
export function planted(session: string, time = 2_000): { parts: ExchangeParts[]; markers: Marker[] } {
  const [sql, request, response, message, column] = [
    ...["SQL", "request body", "response body", "error", "column"].map(marker),
  ] as [Marker, Marker, Marker, Marker, Marker];
  const asked = query({
    ...{ session, time },
    sql: `SELECT '${sql.word}' FROM shop.customers`,
    request: { query: `SELECT '${sql.word}' FROM shop.customers`, padding: request.word },
    response: {
      ...ANSWER,
      schema: { fields: [{ name: column.word, type: "STRING" }] },
      rows: [{ f: [{ v: response.word }] }],
    },
  });
  const failed = query({
    ...{ session, time: time + 50, status: 400, sql: "x" },
    request: { query: "x" },
    response: {
      error: {
        code: 400,
        message: message.word,
        errors: [{ reason: "invalidQuery", message: message.word }],
      },
    },
  });
  return { parts: [asked, failed], markers: [sql, request, response, message, column] };
}

/** Every file under a directory, with its bytes. */
function filesOf(directory: string): { path: string; bytes: Buffer }[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .map((path) => ({ path, bytes: readFileSync(path) }));
}

/** Where under a directory words are found, in any case, whole or by their ends. */
export function tracesOf(dataDir: string, markers: readonly Marker[]): string[] {
  return filesOf(dataDir).flatMap(({ path, bytes }) => {
    const text = bytes.toString("latin1").toLowerCase();
    return markers
      .filter(({ word }) => text.includes(word.slice(-12).toLowerCase()))
      .map(({ what }) => `${what} in ${path}`);
  });
}

/** What lies sealed of a scope: pieces of its blocks, and its wrapped keys. */
export function sealedPieces(dataDir: string, scopes: readonly string[]): Buffer[] {
  const database = new DatabaseSync(archiveFile(dataDir), { readOnly: true });
  try {
    const blobs = scopes.flatMap((scope) => [
      ...database.prepare("SELECT sealed AS bytes FROM blocks WHERE scope = ?").all(scope),
      ...database.prepare("SELECT wrapped AS bytes FROM scope_keys WHERE scope = ?").all(scope),
    ]);
    return blobs.flatMap(({ bytes }) => {
      assert.ok(bytes instanceof Uint8Array);
      const pieces: Buffer[] = [];
      for (let at = 0; at + 16 <= bytes.length; at += 512)
        pieces.push(Buffer.from(bytes.subarray(at, at + 16)));
      return pieces;
    });
  } finally {
    database.close();
  }
}

/** How many of these pieces are found in a file under a directory. */
export function piecesFound(dataDir: string, pieces: readonly Buffer[]): number {
  const files = filesOf(dataDir);
  return pieces.filter((piece) => files.some(({ bytes }) => bytes.includes(piece))).length;
}
