import { z } from "zod";
import { fileName, httpUrl } from "./values.ts";

/*
 * Every key of the section `tracing`. Absent, nothing is traced, and what agents say of their own traces passes untouched.
 */

const endpoint = httpUrl.refine(
  (value) => {
    const url = URL.parse(value);
    return url !== null && url.username === "" && url.password === "" && url.search === "" && url.hash === "";
  },
  { error: "expected a URL without user, password, query or fragment; credentials go into headersFile" },
);

export const tracingSchema = z.strictObject({
  endpoint: endpoint.describe(
    "of a receiver of OTLP over HTTP, such as http://127.0.0.1:4318; /v1/traces is added unless it is there",
  ),
  sampleRatio: z
    .number()
    .min(0)
    .max(1)
    .default(1)
    .describe(
      "of the traces that the gateway begins; an agent's own are sampled when the agent samples them",
    ),
  headersFile: fileName
    .optional()
    .describe(
      "headers for the receiver, such as its credential, a line each: `name: value`; read for each batch",
    ),
  caFile: fileName.optional().describe("PEM; trusted for the receiver besides the usual roots"),
  serviceName: z.string().min(1).default("bqtape").describe("`service.name` of the spans"),
});

export type TracingConfig = z.output<typeof tracingSchema>;
