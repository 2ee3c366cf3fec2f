import { BigQuery, type Query, type QueryRowsResponse } from "@google-cloud/bigquery";
import { tapHttpClient } from "./wire-tap.ts";

/*
 * An agent, as any is: the unmodified client, which knows nothing of a gateway but what its environment says. It tells its
 * parent what it did by messages; everything else about it is what the client does by itself.
 */

export type AgentMessage =
  | { readonly type: "step"; readonly title: string; readonly outcome: string }
  | {
      readonly type: "seen";
      readonly exchange: string;
      readonly requestSha256: string;
      readonly responseSha256: string;
    };

function tell(message: AgentMessage): void {
  process.send?.(message);
}

tapHttpClient((seen) => tell({ type: "seen", ...seen }));

// Version 9.3 percent-encodes its "{{projectId}}" before it looks for it, so the project has to be said.
const projectId = process.env.GOOGLE_CLOUD_PROJECT ?? "";
const bigquery = new BigQuery({ projectId });

const STEPS: readonly (readonly [title: string, run: () => Promise<string>])[] = [
  [
    "asks how the countries compare",
    async () => {
      const [rows] = await bigquery.query(
        "SELECT c.country, COUNT(*) AS orders, SUM(o.amount) AS revenue FROM shop.orders AS o JOIN shop.customers AS c USING (customer_id) GROUP BY c.country ORDER BY revenue DESC LIMIT 5",
      );
      return `${rows.length} rows`;
    },
  ],
  [
    "looks one customer up, by parameter",
    async () => {
      const [rows] = await bigquery.query({
        query: "SELECT customer_id, name, email, phone FROM shop.customers WHERE customer_id = @id",
        params: { id: 42 },
      });
      return `${rows.length} row`;
    },
  ],
  [
    "reads 5,000 orders, page by page",
    async () => {
      const [job] = await bigquery.createQueryJob("SELECT * FROM shop.orders ORDER BY order_id LIMIT 5000");
      let rows = 0;
      let pages = 0;
      let next: Query | null | undefined = { maxResults: 1000 };
      while (next) {
        const answer: QueryRowsResponse = await job.getQueryResults({ ...next, autoPaginate: false });
        rows += answer[0].length;
        pages += 1;
        next = answer[1];
      }
      return `${rows} rows in ${pages} pages`;
    },
  ],
  [
    "adds a customer",
    async () => {
      const [job] = await bigquery.createQueryJob(
        "INSERT INTO shop.customers (customer_id, name, email, city, country) VALUES (900001, 'Ada Example', 'ada@example.com', 'Lisbon', 'PT')",
      );
      await job.getQueryResults();
      const [metadata] = await job.getMetadata();
      return `${metadata.statistics.query.numDmlAffectedRows} row added`;
    },
  ],
  [
    "asks for a table that is not there",
    async () => {
      try {
        await bigquery.query("SELECT * FROM shop.refunds");
        return "no error";
      } catch (error) {
        return `refused: ${error instanceof Error ? error.message : String(error)}`;
      }
    },
  ],
];

for (const [title, run] of STEPS) tell({ type: "step", title, outcome: await run() });
process.disconnect?.();
