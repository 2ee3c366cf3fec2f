import type { RetentionConfig, RetentionRule } from "../../config/archive.ts";

/** Milliseconds from a session's last activity on; Infinity: for ever. */
export interface Limits {
  /** Of the whole session. */
  readonly events: number;
  /** Of what it quotes. */
  readonly bodies: number;
}

/** Of a session, what rules ask. */
export interface Kept {
  readonly user: string;
  readonly subject: string | undefined;
  readonly groups: readonly string[];
  /** Whether a rule of the policy decided on something in it. */
  readonly ruledBy: (rule: string) => boolean;
}

/** How long something is kept that no rule names: nothing is kept for less. */
export function usualLimits({ events, bodies }: Pick<RetentionRule, "events" | "bodies">): Limits {
  const whole = events ?? Number.POSITIVE_INFINITY;
  return { events: whole, bodies: Math.min(bodies ?? whole, whole) };
}

/** How long a session is kept: of all that applies to it, the longest. */
export function limitsOf(config: RetentionConfig, session: Kept): Limits {
  return config.rules
    .filter((rule) => applies(rule, session))
    .map(usualLimits)
    .reduce(
      (longest, each) => ({
        events: Math.max(longest.events, each.events),
        bodies: Math.max(longest.bodies, each.bodies),
      }),
      usualLimits(config),
    );
}

function applies({ group, user, rule }: RetentionRule, session: Kept): boolean {
  if (group !== undefined) return session.groups.some((each) => same(each, group));
  if (user !== undefined) return same(session.user, user) || same(session.subject ?? "", user);
  return rule !== undefined && session.ruledBy(rule);
}

function same(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase();
}
