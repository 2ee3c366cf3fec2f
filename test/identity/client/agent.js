// An agent as people write them: it knows nothing of bqtape.
import { BigQuery } from "@google-cloud/bigquery";

const client = new BigQuery({ projectId: process.env.GOOGLE_CLOUD_PROJECT });
const [rows] = await client.query("SELECT COUNT(*) AS orders FROM shop.orders");
process.stdout.write(`${JSON.stringify(rows)}\n`);
