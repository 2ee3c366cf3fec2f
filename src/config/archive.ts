import { z } from "zod";
import { byteSize, fileName, httpOrigin } from "./values.ts";

/*
 * Every key of the section `archive`: what is kept, for how long, and how it is encrypted.
 */

const DAY = 86_400_000;
const AGES: Readonly<Record<string, number>> = { d: DAY, w: 7 * DAY, y: 365 * DAY };

/** How long something is kept, in milliseconds: `30d`, `8w`, `7y` (of 365 days each). */
const age = z
  .string()
  .transform((value, context) => {
    const [, digits, unit = ""] = /^(\d+)([dwy])$/.exec(value) ?? [];
    if (digits === undefined || Number(digits) === 0) {
      context.addIssue({ code: "custom", message: "expected how long to keep it, such as 30d, 8w or 7y" });
      return z.NEVER;
    }
    return Number(digits) * (AGES[unit] ?? DAY);
  })
  .meta({ title: "age" });

const name = z.string().min(1);

const ages = {
  events: age.optional().describe("whole sessions; default: for ever"),
  bodies: age.optional().describe("bodies, SQL, errors and column names; default: as long as the events"),
};

const rule = z
  .strictObject({
    group: name.optional().describe("sessions of users in this group"),
    user: name.optional().describe("sessions of this user or subject"),
    rule: name.optional().describe("sessions with an exchange that this rule of the policy decided on"),
    ...ages,
  })
  .superRefine(({ group, user, rule: ofPolicy }, context) => {
    if ([group, user, ofPolicy].filter((each) => each !== undefined).length === 1) return;
    context.addIssue({ code: "custom", message: "expected one of group, user and rule" });
  })
  .superRefine(bodiesNotLonger);

function bodiesNotLonger(
  { events, bodies }: { events?: number | undefined; bodies?: number | undefined },
  context: z.RefinementCtx,
): void {
  if (events === undefined || bodies === undefined || bodies <= events) return;
  context.addIssue({ code: "custom", path: ["bodies"], message: "expected no more than events" });
}

const retention = z.union(
  [
    age.transform((events) => ({ events, bodies: events, rules: [] as z.output<typeof rule>[] })),
    z
      .strictObject({ ...ages, rules: z.array(rule).default([]).describe("keep some longer") })
      .superRefine(bodiesNotLonger),
  ],
  { error: "expected how long to keep recordings, such as 90d, or { events: 400d, bodies: 30d }" },
);

const encryption = z.union(
  [
    z.strictObject({ keyFile: fileName.describe("32 bytes in base64; made when absent") }),
    z.strictObject({
      kms: z
        .string()
        .regex(/^projects\/[^/\s]+\/locations\/[^/\s]+\/keyRings\/[^/\s]+\/cryptoKeys\/[^/\s]+$/, {
          error: 'expected a key of Cloud KMS, "projects/P/locations/L/keyRings/R/cryptoKeys/K"',
        })
        .describe("wraps the archive's master key, which lies wrapped beside the archive"),
      endpoint: httpOrigin.default("https://cloudkms.googleapis.com").describe("of Cloud KMS"),
    }),
  ],
  { error: "expected { keyFile: FILE } or { kms: projects/…/cryptoKeys/… }" },
);

export const archiveSchema = z.strictObject({
  enabled: z.boolean().default(true).describe("keep recordings readable in archive.sqlite"),
  retention: retention
    .optional()
    .describe(
      "how long, counted from a session's last activity; the longest that applies; default: for ever",
    ),
  maxBytes: byteSize
    .optional()
    .describe("the archive's size; above it the oldest sessions are retired; default: no limit"),
  encryption: encryption
    .optional()
    .describe("where the master key is; default: archive.key beside the archive"),
});

export type ArchiveConfig = z.output<typeof archiveSchema>;
export type RetentionConfig = NonNullable<ArchiveConfig["retention"]>;
export type RetentionRule = z.output<typeof rule>;
export type EncryptionConfig = NonNullable<ArchiveConfig["encryption"]>;
