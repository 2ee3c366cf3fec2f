import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { parseArgs } from "node:util";
import { bqtapePeers } from "./peers/bqtape.ts";
import { BIGQUERY_HOST } from "./wire.ts";
import { Workbench } from "./workbench.ts";

/*
 * What it costs to read a gateway's metrics while many sessions have a connection open. Ends with status 1 when it is more than
 * the bar.
 */
const { values } = parseArgs({
  options: { sessions: { type: "string", default: "10000" }, directory: { type: "string" } },
});
const BAR = 20;
const SCRAPES = 21;
/** Connections opened at a time. */
const AT_ONCE = 200;
const sessions = Number(values.sessions);

const workbench = await Workbench.start(values.directory);
const peer = bqtapePeers([]).find(({ name }) => name === "bqtape-fsync");
if (peer === undefined) throw new Error("there is no gateway to measure");
const gateway = await workbench.run(peer);
const sockets: Socket[] = [];
try {
  const { metrics = "", rest } = gateway;
  // Code is compiled by the first ones.
  for (let count = 0; count < SCRAPES; count += 1) await scrape(metrics);
  const few = await timed(metrics);
  for (let from = 0; from < sessions; from += AT_ONCE) {
    const numbers = Array.from({ length: Math.min(AT_ONCE, sessions - from) }, (_, index) => from + index);
    sockets.push(...(await Promise.all(numbers.map((number) => opened(rest?.port ?? 0, number)))));
  }
  const many = await timed(metrics);
  const met = many.milliseconds <= BAR;
  process.stdout.write(
    [
      "| sessions | a scrape, ms, median | in bytes | at most | met |",
      "| --: | --: | --: | --: | --- |",
      `| ${few.sessions} | ${few.milliseconds.toFixed(1)} | ${few.bytes} | | |`,
      `| ${many.sessions} | ${many.milliseconds.toFixed(1)} | ${many.bytes} | ${BAR} | ${met ? "yes" : "no"} |`,
      "",
    ].join("\n"),
  );
  process.exitCode = met && many.sessions === sessions ? 0 : 1;
} finally {
  for (const socket of sockets) socket.destroy();
  await gateway.stop();
  await workbench.stop();
}

async function timed(metrics: string) {
  const scrapes = [];
  for (let count = 0; count < SCRAPES; count += 1) scrapes.push(await scrape(metrics));
  scrapes.sort((a, b) => a.milliseconds - b.milliseconds);
  const { milliseconds = 0, text = "" } = scrapes[Math.floor(SCRAPES / 2)] ?? {};
  const active = Number(/^bqtape_sessions_active (\d+)$/m.exec(text)?.[1]);
  return { milliseconds, bytes: text.length, sessions: active };
}

async function scrape(metrics: string): Promise<{ readonly milliseconds: number; readonly text: string }> {
  const from = performance.now();
  const text = await (await fetch(metrics)).text();
  return { milliseconds: performance.now() - from, text };
}

/** A session with a connection of its own, in which nothing is said. */
async function opened(port: number, number: number): Promise<Socket> {
  const socket = connect(port, "127.0.0.1");
  const credentials = Buffer.from(`bqtape:session-${number}`).toString("base64");
  socket.write(
    `CONNECT ${BIGQUERY_HOST}:443 HTTP/1.1\r\nHost: ${BIGQUERY_HOST}:443\r\nProxy-Authorization: Basic ${credentials}\r\n\r\n`,
  );
  const [answer] = (await once(socket, "data")) as [Buffer];
  if (!answer.toString("latin1").startsWith("HTTP/1.1 200")) throw new Error(answer.toString("latin1"));
  socket.on("error", () => undefined);
  return socket;
}
