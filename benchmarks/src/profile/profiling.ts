import type { ChildOptions } from "../processes/children.ts";

/** How a program of Node is started so that it can be profiled: see preload.ts. */
export function profilingOf({
  profileTo,
}: {
  readonly profileTo?: string;
}): Required<Pick<ChildOptions, "nodeOptions" | "env">> {
  if (profileTo === undefined) return { nodeOptions: [], env: {} };
  const preload = new URL("./preload.ts", import.meta.url);
  return { nodeOptions: ["--import", preload.href], env: { BENCH_PROFILE_DIRECTORY: profileTo } };
}
