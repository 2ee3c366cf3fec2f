import { readdir, readFile } from "node:fs/promises";
import type { BigQuery } from "@google-cloud/bigquery";
import { ArchiveError, messageOf } from "../errors.ts";
import type { DatasetName } from "./schema.ts";

/** The views' queries, one a file. In the tree and in the package they are as far from here. */
const DIRECTORY = new URL("../../../deploy/bigquery/", import.meta.url);

/** A view as its file has it. */
export interface View {
  readonly name: string;
  /** GoogleSQL, complete. */
  readonly query: string;
}

/** The views of a dataset, in the order of their names. */
export async function readViews({ project, dataset }: DatasetName): Promise<View[]> {
  const files = (await readdir(DIRECTORY)).filter((file) => file.endsWith(".sql")).sort();
  return Promise.all(
    files.map(async (file) => {
      const text = await readFile(new URL(file, DIRECTORY), "utf8");
      const query = text.replaceAll("{dataset}", () => `${project}.${dataset}`).trim();
      return { name: file.slice(0, -".sql".length), query };
    }),
  );
}

/**
 * Makes the views, or makes them anew.
 *
 * @throws {ArchiveError} naming the view that BigQuery does not take.
 */
export async function createViews(client: BigQuery, name: DatasetName): Promise<void> {
  for (const view of await readViews(name)) {
    try {
      await client.query({
        query: `CREATE OR REPLACE VIEW \`${name.project}.${name.dataset}.${view.name}\` AS\n${view.query}`,
        useLegacySql: false,
      });
    } catch (cause) {
      throw new ArchiveError("failed", `the view ${view.name} cannot be made: ${messageOf(cause)}`, {
        cause,
      });
    }
  }
}
