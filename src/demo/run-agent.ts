import { fork } from "node:child_process";
import type { AgentMessage } from "./agent.ts";
import type { Seen } from "./wire-tap.ts";

/** What is left of the parent's environment: what a program needs to start, and nothing that could help it to BigQuery. */
const KEPT = ["PATH", "HOME", "TMPDIR", "LANG", "SystemRoot"];

/** Runs the demo's agent in a process of its own, with the variables of `bqtape env`; answers what it saw on its wire. */
export async function runAgent(
  environment: Readonly<Record<string, string>>,
  onStep: (title: string, outcome: string) => void,
): Promise<ReadonlyMap<string, Seen>> {
  const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
  const kept = KEPT.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]]));
  const agent = fork(new URL(`./agent.${extension}`, import.meta.url), {
    env: { ...Object.fromEntries(kept), ...environment },
    stdio: ["ignore", "ignore", "pipe", "ipc"],
    execArgv: [],
  });
  const seen = new Map<string, Seen>();
  let complaints = "";
  agent.stderr?.setEncoding("utf8").on("data", (text: string) => {
    complaints = `${complaints}${text}`.slice(-4_000);
  });
  agent.on("message", (value) => {
    const message = value as AgentMessage;
    if (message.type === "step") onStep(message.title, message.outcome);
    else seen.set(message.exchange, message);
  });
  const code = await new Promise<number | null>((resolve, reject) => {
    agent.once("error", reject);
    agent.once("close", resolve);
  });
  if (code !== 0) throw new Error(`the demo's agent failed:\n${complaints}`);
  return seen;
}
