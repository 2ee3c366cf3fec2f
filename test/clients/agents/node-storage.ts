import { BigQueryReadClient, reader } from "@google-cloud/bigquery-storage";

/*
 * An agent with the unmodified @google-cloud/bigquery-storage. Does what its argument says, and prints what it got as JSON.
 */

const projectId = process.env.GOOGLE_CLOUD_PROJECT ?? "";

const DEEDS: Readonly<Record<string, () => Promise<unknown>>> = {
  /** Two columns of a table, by the library's own reader of Arrow: the first rows and the number of all. */
  async reader() {
    const client = new reader.ReadClient();
    const table = { projectId, datasetId: "shop", tableId: "orders" };
    const tableReader = await client.createTableReader({ table });
    const [rows] = await tableReader.getRows({ selectedFields: "order_id,product" });
    tableReader.close();
    client.close();
    return { rows: rows.length, first: rows[0]?.f?.map(({ v }: { v?: unknown }) => String(v)) };
  },

  /** Rows that fit a condition, by the calls themselves: how many there are. */
  async calls() {
    const client = new BigQueryReadClient();
    const [session] = await client.createReadSession({
      parent: `projects/${projectId}`,
      maxStreamCount: 1,
      readSession: {
        table: `projects/${projectId}/datasets/shop/tables/orders`,
        dataFormat: "ARROW",
        readOptions: { selectedFields: ["order_id"], rowRestriction: "order_id <= 30" },
      },
    });
    let rows = 0;
    for (const { name } of session.streams ?? []) {
      for await (const { rowCount } of client.readRows({ readStream: name ?? "" })) rows += Number(rowCount);
    }
    await client.close();
    return { rows };
  },

  /** What a table that is not there rejects with. */
  async error() {
    const client = new BigQueryReadClient();
    try {
      await client.createReadSession({
        parent: `projects/${projectId}`,
        maxStreamCount: 1,
        readSession: { table: `projects/${projectId}/datasets/shop/tables/refunds`, dataFormat: "ARROW" },
      });
      return null;
    } catch (error) {
      return error instanceof Error && "code" in error ? { code: error.code, message: error.message } : null;
    } finally {
      await client.close();
    }
  },
};

const deed = DEEDS[process.argv[2] ?? ""];
if (deed === undefined) throw new Error(`nothing is called ${process.argv[2]}`);
process.stdout.write(`${JSON.stringify(await deed())}\n`);
