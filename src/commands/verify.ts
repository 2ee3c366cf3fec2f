import { existsSync } from "node:fs";
import type { CommandModule, InferredOptionTypes } from "yargs";
import { asText, writeAll } from "../archive/output.ts";
import { styleFor } from "../archive/print/style.ts";
import { verificationLines } from "../archive/print/verification.ts";
import { NO_SESSION } from "../archive/records/session.ts";
import type { ArchiveSearch } from "../archive/search.ts";
import { ArchiveVerifier, type SessionVerdict } from "../archive/verify/verify-archive.ts";
import { type TapeVerdict, verifyTape } from "../archive/verify/verify-tape.ts";
import { type DataDirArguments, withSearch } from "../archive/with-search.ts";
import { dataDirOptions, resolveDataDir } from "../config/data-dir.ts";
import { keysDirectory } from "../config/paths.ts";
import type { PublicJwk } from "../recording/keys/jwk.ts";
import { readKeyFile } from "../recording/keys/key-file.ts";
import { knownKeys } from "../recording/keys/signing-keys.ts";

const options = {
  ...dataDirOptions,
  key: {
    type: "string",
    array: true,
    nargs: 1,
    describe: "a public key to trust: PEM, JWK or JWKS. Default: those of the data directory",
  },
  json: { type: "boolean", describe: "print one JSON object" },
} as const;

type Arguments = InferredOptionTypes<typeof options> & DataDirArguments & { what: string | undefined };

/** Verification found something wrong. */
const FAILED = 3;

/** `bqtape verify [FILE|ID]`: whether a recording is what the gateway recorded. */
export const verify: CommandModule<object, Arguments> = {
  command: "verify [what]",
  describe: "prove that a recording is untouched, or say what was done to it",
  builder: (yargs) =>
    yargs
      .positional("what", {
        type: "string",
        describe: "a tape, or the id of a session or its beginning. Default: the whole archive",
      })
      .options(options)
      .epilogue("Exit code 3: something is wrong with the recording."),
  handler: async (given) => {
    const { what } = given;
    if (what !== undefined && existsSync(what)) await verifyFile(what, given);
    else await withSearch(given, (search, directory) => verifyArchived(search, directory, given));
  },
};

async function verifyFile(file: string, given: Arguments): Promise<void> {
  const directory = await resolveDataDir({
    ...(given.config !== undefined && { config: given.config }),
    ...(given.dataDir !== undefined && { dataDir: given.dataDir }),
  });
  const verdict = verifyTape(file, await trustedKeys(given.key, directory));
  await show([verdict], given.json === true ? { tape: file, ...verdict } : undefined);
}

async function verifyArchived(search: ArchiveSearch, directory: string, given: Arguments): Promise<void> {
  const keys = await trustedKeys(given.key, directory);
  const verifier = new ArchiveVerifier(search, keys);
  if (given.what !== undefined) {
    const session = given.what === NO_SESSION ? NO_SESSION : sessionOf(search, given.what);
    const verdict = session === NO_SESSION ? verifier.own : verifier.session(session);
    await show([verdict], given.json === true ? verdict : undefined);
    return;
  }
  const verdicts: SessionVerdict[] = [verifier.own];
  const names = new Set([...verifier.known, ...search.unlisted()]);
  for (const { id } of search.sessions({ limit: Number.MAX_SAFE_INTEGER })) names.add(id);
  let done = 0;
  for (const name of names) {
    const verdict = verifier.session(name);
    // What is well is only counted: there may be a million of them.
    if (!verdict.intact || verdict.notes.length > 0) verdicts.push(verdict);
    done += 1;
    if (done % PROGRESS === 0) process.stderr.write(`bqtape: ${done} of ${names.size} sessions\n`);
  }
  const intact = verdicts.every((verdict) => verdict.intact);
  await show(verdicts, given.json === true ? { intact, sessions: done, verdicts } : undefined, done);
}

/** Sessions from one line of progress to the next. */
const PROGRESS = 1_000;

function sessionOf(search: ArchiveSearch, id: string): string {
  const found = search.find(id);
  return found.kind === "session" ? found.session.id : (found.exchange.session ?? NO_SESSION);
}

async function trustedKeys(files: readonly string[] | undefined, directory: string): Promise<PublicJwk[]> {
  if (files === undefined) return (await knownKeys(keysDirectory(directory))).map(({ jwk }) => jwk);
  return (await Promise.all(files.map(readKeyFile))).flat();
}

async function show(
  verdicts: readonly (SessionVerdict | TapeVerdict)[],
  json: object | undefined,
  sessions?: number,
): Promise<void> {
  const lines =
    json === undefined
      ? verificationLines(verdicts, styleFor(process.stdout), sessions)
      : [JSON.stringify(json)];
  await writeAll(process.stdout, asText(lines));
  if (verdicts.some(({ intact }) => !intact)) process.exitCode = FAILED;
}
