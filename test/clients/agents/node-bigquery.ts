import { BigQuery, type QueryResultsOptions, type QueryRowsResponse } from "@google-cloud/bigquery";

/*
 * An agent with the unmodified @google-cloud/bigquery. Does what its argument says, and prints what it got as JSON.
 */

// Version 9.3 percent-encodes its "{{projectId}}" before it looks for it, so the project has to be said.
const bigquery = new BigQuery({ projectId: process.env.GOOGLE_CLOUD_PROJECT ?? "" });

const SCHEMA = [
  { name: "name", type: "STRING" },
  { name: "legs", type: "INTEGER" },
];

const DEEDS: Readonly<Record<string, (argument: string) => Promise<unknown>>> = {
  async query() {
    const [rows] = await bigquery.query({
      query: "SELECT order_id, product FROM shop.orders WHERE order_id = @id",
      params: { id: 42 },
    });
    return rows;
  },

  /** In whose name a job is. */
  async author() {
    const [job] = await bigquery.createQueryJob("SELECT 1");
    const [{ user_email }] = await job.getMetadata();
    return user_email;
  },

  async pages() {
    const [job] = await bigquery.createQueryJob(
      "SELECT order_id FROM shop.orders ORDER BY order_id LIMIT 250",
    );
    const pages: number[][] = [];
    let next: QueryResultsOptions | null | undefined = { maxResults: 100, autoPaginate: false };
    while (next) {
      const [rows, query]: QueryRowsResponse = await job.getQueryResults(next);
      pages.push(rows.map((row: { order_id: number }) => row.order_id));
      next = query;
    }
    return pages;
  },

  async error() {
    try {
      await bigquery.query("SELECT * FROM shop.refunds");
      return null;
    } catch (error) {
      return error instanceof Error && "code" in error ? { code: error.code, message: error.message } : null;
    }
  },

  /** Rows written one by one into a stream, which sends them in batches by insertAll. */
  async insertStream() {
    const [table] = await bigquery.dataset("shop").createTable("streamed", { schema: SCHEMA });
    const stream = table.createInsertStream({
      batchOptions: { maxRows: 100, maxBytes: 1_000_000, maxMilliseconds: 10_000 },
    });
    const sent = new Promise<void>((resolve, reject) => {
      let batches = 0;
      stream.once("error", reject);
      stream.on("response", () => {
        batches += 1;
        if (batches === 3) resolve();
      });
    });
    for (let legs = 0; legs < 300; legs += 1) stream.write({ name: `pet ${legs}`, legs });
    await sent;
    const [rows] = await bigquery.query("SELECT COUNT(*) AS pets, SUM(legs) AS legs FROM shop.streamed");
    return rows;
  },

  async load(file) {
    const table = bigquery.dataset("shop").table("loaded_by_node");
    const [job] = await table.load(file, {
      sourceFormat: "CSV",
      skipLeadingRows: 1,
      schema: { fields: SCHEMA },
    });
    const [rows] = await bigquery.query("SELECT name, legs FROM shop.loaded_by_node ORDER BY name");
    return { errors: job.status?.errors ?? [], rows };
  },
};

const [name = "", argument = ""] = process.argv.slice(2);
const deed = DEEDS[name];
if (deed === undefined) throw new Error(`nothing is called ${name}`);
process.stdout.write(`${JSON.stringify(await deed(argument))}\n`);
