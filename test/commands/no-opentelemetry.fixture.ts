import { registerHooks } from "node:module";

/* Loaded before a program: fails it when it loads anything of OpenTelemetry's but its declarations, which prom-client has. */

registerHooks({
  resolve(specifier, context, next) {
    if (specifier.startsWith("@opentelemetry/") && specifier !== "@opentelemetry/api")
      throw new Error(`loaded ${specifier}`);
    return next(specifier, context);
  },
});
