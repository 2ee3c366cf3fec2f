// An agent: BigQuery's own client, unmodified, with nothing but its environment.
import { BigQuery } from "@google-cloud/bigquery";

const bigquery = new BigQuery({ projectId: process.env.GOOGLE_CLOUD_PROJECT });
const [rows] = await bigquery.query(
  "SELECT c.country, COUNT(*) AS orders FROM shop.orders AS o JOIN shop.customers AS c USING (customer_id) GROUP BY c.country ORDER BY orders DESC LIMIT 5",
);
for (const { country, orders } of rows) process.stdout.write(`${country} ${orders} orders\n`);
