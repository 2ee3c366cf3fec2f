import { formatDuration } from "../archive/print/quantities.ts";
import { discoveryUrl } from "../identity/oidc/key-set.ts";
import { type ConfiguredCheck, fail, ok, warn } from "./check.ts";
import type { Answer } from "./network.ts";

/** Milliseconds. Tokens are taken that are off by half a minute (a provider's) or some minutes (Google's). */
const WARN_FROM = 5_000;
const FAIL_FROM = 60_000;

/** `Date` has whole seconds (RFC 9110, section 5.6.7). */
const RESOLUTION = 1_000;

/** This machine's clock, against what answers say that are asked for anyway. */
export const clockCheck: ConfiguredCheck<"skew"> = {
  name: "clock",
  needs: "configuration",
  parts: ["skew"],
  limit: 25_000,
  async *run(site) {
    const providers = (site.config.identity.oidc ?? []).map((issuer) => ({
      who: issuer.issuer,
      answer: site.fromProvider(issuer, discoveryUrl(issuer.issuer)),
    }));
    const asked = [{ who: site.originOf("bigquery.googleapis.com"), answer: site.knock() }, ...providers];
    const known: { who: string; skew: number }[] = [];
    for (const { who, answer } of asked) {
      const skew = skewOf(await answer.catch(() => undefined));
      if (skew !== undefined) known.push({ who, skew });
    }
    const [first, ...others] = known.sort((a, b) => Math.abs(b.skew) - Math.abs(a.skew));
    if (first === undefined) {
      const fix = "mend what keeps these from answering (upstream, idp), and look again";
      yield warn(
        "skew",
        `not compared: no answer with a date came from ${asked.map(({ who }) => who).join(", ")}`,
        fix,
      );
      return;
    }
    const { who, skew } = first;
    const off = Math.abs(skew);
    const by = `${formatDuration(off)} ${skew > 0 ? "ahead of" : "behind"} ${who}`;
    const against = others.map((each) => `${each.who}: ${formatDuration(Math.abs(each.skew))}`).join("\n");
    const detail = against === "" ? undefined : against;
    const fix = "keep this machine's clock by NTP: timedatectl set-ntp true, or chronyd";
    if (off > FAIL_FROM) yield fail("skew", `the clock is ${by}: tokens are refused`, fix, detail);
    else if (off > WARN_FROM) yield warn("skew", `the clock is ${by}`, fix, detail);
    else yield ok("skew", `the clock agrees with ${known.map((each) => each.who).join(", ")}`);
  },
};

/**
 * By how much this clock is ahead at least, in milliseconds; negative when it is behind. An answer's date was true at some
 * moment between request and answer, and within a second.
 */
export function skewOf(answer: Pick<Answer, "date" | "sent" | "received"> | undefined): number | undefined {
  if (answer?.date === undefined) return undefined;
  const { date, sent, received } = answer;
  if (sent > date + RESOLUTION) return sent - (date + RESOLUTION);
  return received < date ? received - date : 0;
}
