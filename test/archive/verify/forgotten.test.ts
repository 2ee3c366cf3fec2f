import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { archiveFile } from "../../../src/config/paths.ts";
import { bqtape } from "../../commands/recorded.ts";
import { recording } from "../export/support.ts";

const limit = { timeout: 120_000 };

test("a session that was forgotten is proven as far as it is left, and says so", limit, async (t) => {
  const { dataDir, session, project, ask } = await recording(t);
  const path = `/bigquery/v2/projects/${project}/queries`;
  await ask({ path, body: JSON.stringify({ query: "SELECT 'planted' AS word", useLegacySql: false }) });
  const forgotten = bqtape(
    ...["forget", session, "--because", "she asked", "--yes", "--force", "--data-dir", dataDir],
  );
  assert.equal(forgotten.status, 0, forgotten.stderr);
  const proof = bqtape("verify", session, "--data-dir", dataDir, "--json");
  assert.equal(proof.status, 0, proof.stdout);
  const { intact, notes } = JSON.parse(proof.stdout) as { intact: boolean; notes: { kind: string }[] };
  assert.equal(intact, true);
  assert.deepEqual(new Set(notes.map(({ kind }) => kind)), new Set(["not-sealed", "cut", "forgotten"]));

  // Without the signed notice, anybody could have taken it away.
  const database = new DatabaseSync(archiveFile(dataDir));
  database.exec("DELETE FROM notices");
  database.close();
  const unexplained = bqtape("verify", session, "--data-dir", dataDir, "--json");
  assert.equal(unexplained.status, 3);
  assert.match(unexplained.stdout, /"body-missing"/);
});
