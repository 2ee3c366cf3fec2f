import type { CommandModule, InferredOptionTypes } from "yargs";
import { asText, writeAll } from "../../archive/output.ts";
import { type Style, styleFor } from "../../archive/print/style.ts";
import { formatTable } from "../../archive/print/table.ts";
import type { GatewaySession } from "../../identity/client/gateway-answers.ts";
import { asked, askOptions, printJson } from "./asked.ts";

const options = {
  all: { type: "boolean", describe: "those that are over, too" },
  ...askOptions,
} as const;

/** `bqtape session list`: one's own sessions; as an admin or auditor everybody's. */
export const list: CommandModule<object, InferredOptionTypes<typeof options>> = {
  command: "list",
  describe: "list open sessions: your own, or as an admin or auditor everybody's",
  builder: options,
  async handler({ all, json, ...given }) {
    const { gateway, tokens } = await asked(given);
    const known = await gateway.list(await tokens.get({ ask: true }));
    const sessions = all === true ? known : known.filter(({ state }) => state === "active");
    if (json === true) return printJson({ sessions });
    await writeAll(process.stdout, asText(lines(sessions, styleFor(process.stdout))));
  },
};

function* lines(sessions: readonly GatewaySession[], style: Style): Generator<string> {
  if (sessions.length === 0) return yield "There is no such session.";
  const columns = ["session", "state", "user", "agent", "purpose", "started", "until", "because"];
  const rows = sessions.map((session) => [
    session.id,
    session.state,
    session.user,
    session.agent ?? "",
    session.purpose ?? "",
    session.startedAt,
    session.renewBefore ?? session.expiresAt,
    session.because ?? "",
  ]);
  yield* formatTable(
    columns.map((title) => ({ title })),
    rows,
    { width: Number.POSITIVE_INFINITY, paintHead: (line) => style.paint("bold", line) },
  );
}
