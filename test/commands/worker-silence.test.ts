import assert from "node:assert/strict";
import { test } from "node:test";
import { LOOK, LOST_AFTER, SILENT_AFTER, WorkerSilence } from "../../src/commands/worker-silence.ts";

/** Looks at two workers as often as is said, and on time unless it is said how late each look is. */
function watched() {
  const silence = new WorkerSilence();
  const killed: string[] = [];
  let now = 0;
  const look = (times: number, { speaking = [] as string[], late = 0 } = {}): void => {
    for (let time = 0; time < times; time += 1) {
      now += LOOK + late;
      for (const worker of speaking) silence.heard(worker);
      const { lost } = silence.look(["0", "1"], now);
      if (lost !== undefined) killed.push(lost);
    }
  };
  silence.look([], now);
  return { silence, killed, look };
}

test("a worker that says nothing is silent, until it says something", () => {
  const { silence, look } = watched();
  look(SILENT_AFTER - 1, { speaking: ["1"] });
  assert.equal(silence.isSilent("0"), false);
  look(1, { speaking: ["1"] });
  assert.deepEqual([silence.isSilent("0"), silence.isSilent("1")], [true, false]);
  silence.heard("0");
  assert.equal(silence.isSilent("0"), false);
});

test("one that goes on saying nothing is lost, and no other", () => {
  const { killed, look } = watched();
  look(LOST_AFTER - 1, { speaking: ["1"] });
  assert.deepEqual(killed, []);
  look(3, { speaking: ["1"] });
  assert.deepEqual(killed, ["0"]);
});

test("of several, the next one is lost when the first one's successor has started: the machine lets it", () => {
  const { silence, killed, look } = watched();
  look(3 * LOST_AFTER);
  assert.deepEqual(killed, ["0"]);
  silence.started("0");
  look(1, { speaking: ["0"] });
  assert.deepEqual(killed, ["0", "1"]);
});

test("nobody is silent because whoever looks stood still", () => {
  const { silence, killed, look } = watched();
  look(3 * LOST_AFTER, { late: 2 * LOOK });
  look(1, { late: 60_000 });
  assert.equal(silence.isSilent("0"), false);
  assert.deepEqual(killed, []);
});
