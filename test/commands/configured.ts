import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { openSearch } from "../../src/archive/search.ts";
import { testConfig } from "../support/gateway.ts";
import { temporaryDirectory } from "../support/temporary.ts";
import { startUpstream } from "../support/upstream.ts";

type ConfigInput = ReturnType<typeof testConfig>;

/** A configuration file before an upstream that answers everything with `{}`. */
export async function configured(
  t: { after(end: () => Promise<void>): void },
  more: Partial<ConfigInput> = {},
) {
  const directory = temporaryDirectory();
  const authorizations: string[] = [];
  const upstream = await startUpstream(directory, (request, response) => {
    authorizations.push(request.headers.authorization ?? "");
    response.end("{}");
  });
  t.after(() => upstream.close());
  const file = join(directory, "bqtape.yaml");
  const input = testConfig(directory, upstream, more);
  const write = (changed: Partial<ConfigInput> = {}): void =>
    writeFileSync(file, JSON.stringify({ ...input, ...changed }));
  write();
  const ca = (): string => readFileSync(String(input.ca?.cert), "utf8");
  return { directory, upstream, file, input, write, ca, authorizations };
}

/** How many exchanges the archive has of the session `mine`. */
export async function recorded(directory: string): Promise<number> {
  const { search } = await openSearch(join(directory, "data"));
  const exchanges = [...search.exchanges("mine")];
  search.close();
  return exchanges.length;
}
