import { provide } from "./cache.ts";
import { PARTS, type PartName } from "./parts.ts";

/*
 * node test/setup/main.ts [part…]
 *
 * Brings what tests need and npm does not, once; run before `npm test`. Where a part is not to be had, the tests that need it are
 * skipped and say so; with CI=true that is a failure here and there.
 */

const CI = process.env.CI === "true";

function isPart(name: string): name is PartName {
  return Object.hasOwn(PARTS, name);
}

async function main(names: readonly string[]): Promise<number> {
  const all = Object.keys(PARTS);
  const unknown = names.find((name) => !isPart(name));
  if (unknown !== undefined) {
    process.stderr.write(`test set-up: no part is called ${unknown}; there are ${all.join(", ")}\n`);
    return 2;
  }
  let missing = 0;
  for (const name of (names.length > 0 ? names : all).filter(isPart)) {
    const say = (text: string): void => void process.stderr.write(`test set-up: ${name}: ${text}\n`);
    const found = await provide(PARTS[name], say);
    if (found.ready) continue;
    missing += 1;
    say(`not to be had, so ${CI ? "tests fail" : "its tests are skipped"}. ${found.reason}`);
  }
  return missing > 0 && CI ? 1 : 0;
}

process.exitCode = await main(process.argv.slice(2));
