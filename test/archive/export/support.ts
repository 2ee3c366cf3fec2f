import { join } from "node:path";
import type { TestContext } from "node:test";
import type { ExportContext, ExportedFile, ExportOptions } from "../../../src/archive/export/format.ts";
import { FORMATS, type FormatName } from "../../../src/archive/export/formats.ts";
import { Notes } from "../../../src/archive/export/notes.ts";
import type { Selection, Window } from "../../../src/archive/export/selection.ts";
import { ArchiveSearch } from "../../../src/archive/search.ts";
import { openTapeSigner } from "../../../src/archive/tape/signer.ts";
import { startSandbox } from "../../../src/sandbox/sandbox.ts";
import { type AgentRequest, ask, gatewayUnderTest, testConfig } from "../../support/gateway.ts";
import { temporaryDirectory } from "../../support/temporary.ts";

/** What an export gave. */
export interface Export {
  readonly bytes: Buffer;
  readonly text: string;
  readonly notes: readonly string[];
}

interface Options extends Partial<ExportOptions> {
  readonly live?: boolean;
}

/** Exports what an id or a window selects, from an archive as it is. */
export async function exported(
  dataDir: string,
  what: string | Window,
  format: Exclude<FormatName, "parquet">,
  options: Options = {},
): Promise<Export> {
  return await withContext(dataDir, what, options, async (selection, context) => {
    const made = FORMATS[format].export(selection, context);
    if (made.kind !== "stream") throw new Error(`${format} made ${made.kind}`);
    const parts: Uint8Array[] = [];
    for await (const part of made.parts) parts.push(Buffer.from(part));
    const bytes = Buffer.concat(parts);
    return { bytes, text: bytes.toString(), notes: context.notes.lines() };
  });
}

/** As {@link exported}, of the files that a session becomes. */
export async function exportedFiles(
  dataDir: string,
  session: string,
  format: FormatName,
  options: Options = {},
): Promise<{ files: ReadonlyMap<string, string>; notes: readonly string[] }> {
  return await withContext(dataDir, session, options, async (selection, context) => {
    const made = FORMATS[format].export(selection, context);
    if (made.kind !== "files") throw new Error(`${format} made ${made.kind}`);
    const files = new Map<string, string>();
    for await (const file of made.files) files.set(file.name, await textOf(file));
    return { files, notes: context.notes.lines() };
  });
}

/** As {@link exported}, of a format that makes a file itself. */
export async function exportedFile(
  dataDir: string,
  what: string | Window,
  format: FormatName,
  options: Options = {},
): Promise<string> {
  const path = join(temporaryDirectory(), "export");
  await withContext(dataDir, what, options, async (selection, context) => {
    const made = FORMATS[format].export(selection, context);
    if (made.kind !== "file") throw new Error(`${format} made ${made.kind}`);
    await made.write(path);
  });
  return path;
}

async function textOf({ parts }: ExportedFile): Promise<string> {
  let text = "";
  for await (const part of parts) text += String(part);
  return text;
}

async function withContext<T>(
  dataDir: string,
  what: string | Window,
  { live = false, ...options }: Options,
  use: (selection: Selection, context: ExportContext) => Promise<T>,
): Promise<T> {
  const search = new ArchiveSearch(dataDir, live);
  try {
    const selection: Selection = typeof what === "string" ? search.find(what) : { kind: "window", ...what };
    return await use(selection, {
      search,
      records: (session) => search.records(session),
      signer: () => openTapeSigner(dataDir),
      version: "1.2.3",
      options: { gzip: false, nullText: "", spreadsheetSafe: false, ...options },
      notes: new Notes(),
      signal: new AbortController().signal,
    });
  } finally {
    search.close();
  }
}

export interface Recording {
  readonly dataDir: string;
  readonly session: string;
  readonly project: string;
  /** Sends one more request through the gateway; answers its answer when it is in the archive. */
  ask(request: AgentRequest): Promise<{ status: number; body: Buffer; json: Answer }>;
}

/** What tests look at in BigQuery's answers. */
export interface Answer {
  readonly jobReference: { readonly projectId: string; readonly jobId: string; readonly location?: string };
  readonly pageToken?: string;
  readonly totalRows?: string;
  readonly rows?: readonly unknown[];
}

/** A gateway before the sandbox, recording a session of one agent; closed with the test. */
export async function recording(test: TestContext): Promise<Recording> {
  const directory = temporaryDirectory();
  const sandbox = await startSandbox({ directory: join(directory, "sandbox"), rows: 500 });
  test.after(() => sandbox.close());
  const gateway = await gatewayUnderTest(test, testConfig(directory, sandbox));
  const { dataDir, ca } = gateway;
  const session = "export-test";
  return {
    dataDir,
    session,
    project: sandbox.project,
    async ask(request) {
      const answer = await ask({ port: gateway.proxy.port, ca }, { session, ...request });
      await gateway.exchanges();
      const plain = answer.headers["content-encoding"] === undefined;
      return {
        status: answer.status,
        body: answer.body,
        json: (plain ? JSON.parse(answer.body.toString()) : {}) as Answer,
      };
    },
  };
}
