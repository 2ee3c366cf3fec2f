import { mkdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { PAGES } from "./pages.ts";

/* npm run docs: writes the reference pages. */

for (const [file, make] of Object.entries(PAGES)) {
  const text = await make();
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
  process.stdout.write(`${file}\n`);
}
