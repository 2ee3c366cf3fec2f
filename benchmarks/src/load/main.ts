import { childArgument, tell } from "../processes/children.ts";
import { prepareAnswer, prepareUpload } from "./body.ts";
import { prepareExchanges } from "./exchanges.ts";
import { prepareGrpc } from "./grpc.ts";
import { type Command, type LoadFigures, type Report, Unsupported } from "./load.ts";

/* The load generator: does one load at a time, as it is told, and reports. */

type Prepare = Extract<Command, { command: "prepare" }>;

function prepare({ load, target }: Prepare): Promise<() => Promise<LoadFigures>> {
  switch (load.kind) {
    case "exchanges":
      return prepareExchanges(load, target);
    case "answer":
      return prepareAnswer(load, target);
    case "upload":
      return prepareUpload(load, target);
    case "grpc":
      return prepareGrpc(load, target);
  }
}

let begin: (() => void) | undefined;

async function run(command: Prepare): Promise<Report> {
  const { limit } = command;
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not done within ${limit} ms`)), limit);
  });
  try {
    const start = await Promise.race([prepare(command), late]);
    const begun = new Promise<void>((resolve) => {
      begin = resolve;
    });
    tell({ state: "prepared" } satisfies Report);
    await Promise.race([begun, late]);
    return { state: "done", figures: await Promise.race([start(), late]) };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return { state: error instanceof Unsupported ? "unsupported" : "failed", reason };
  } finally {
    clearTimeout(timer);
  }
}

childArgument<null>();
process.on("message", (command: Command) => {
  if (command.command === "begin") begin?.();
  else void run(command).then(tell);
});
