/** Checks in the order in which they are told; apart from them, so that a help is printed without loading any. */
export const CHECK_NAMES = [
  "config",
  "certificates",
  "clock",
  "dns",
  "upstream",
  "credential",
  "kafka",
  "idp",
  "disk",
  "gateway",
  "client",
] as const;

export type CheckName = (typeof CHECK_NAMES)[number];
