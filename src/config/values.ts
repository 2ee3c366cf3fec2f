import { z } from "zod";

/* Kinds of values that several keys have. Their titles are what the configuration reference calls them. */

const SIZES: Readonly<Record<string, number>> = {
  B: 1,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
};

/** A number of bytes: `65536`, or with a unit of IEC 80000-13, `64KiB`. */
export const byteSize = z
  .union([z.number(), z.string()])
  .transform((value, context) => {
    const [, digits, unit = "B"] = /^(\d+)\s*(B|KiB|MiB|GiB|TiB)?$/.exec(String(value)) ?? [];
    if (digits === undefined) {
      context.addIssue({
        code: "custom",
        message: "expected a number of bytes, such as 65536, 64MiB or 10GiB",
      });
      return z.NEVER;
    }
    return Number(digits) * (SIZES[unit] ?? 1);
  })
  .pipe(z.number().positive())
  .meta({ title: "size" });

const DURATIONS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** A length of time, in milliseconds: `30s`, `10m`, `90d`. */
export const duration = z
  .string()
  .transform((value, context) => {
    const [, digits, unit = ""] = /^(\d+)(ms|s|m|h|d)$/.exec(value) ?? [];
    if (digits === undefined) {
      context.addIssue({
        code: "custom",
        message: "expected a length of time, such as 500ms, 30s, 10m, 8h or 90d",
      });
      return z.NEVER;
    }
    return Number(digits) * (DURATIONS[unit] ?? 1);
  })
  .meta({ title: "length of time" });

export const httpUrl = z
  .url({ protocol: /^https?$/, error: "expected an http or https URL" })
  .meta({ title: "URL" });

/** Scheme, host and port: `https://127.0.0.1:9443`. */
export const httpOrigin = z
  .string()
  .transform((value, context): string => {
    const url = URL.parse(value);
    if (
      url === null ||
      !/^https?:$/.test(url.protocol) ||
      url.origin !== value.replace(/\/$/, "").toLowerCase()
    ) {
      context.addIssue({ code: "custom", message: 'expected an origin, such as "https://127.0.0.1:9443"' });
      return z.NEVER;
    }
    return url.origin;
  })
  .meta({ title: "origin" });

export const fileName = z.string().min(1).meta({ title: "file" });
