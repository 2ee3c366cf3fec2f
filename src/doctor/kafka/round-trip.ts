import type { KafkaConfig } from "../../config/kafka.ts";
import { MARK, SharedLog } from "../../delivery/kafka/shared-log.ts";
import { SESSION_STATE_TYPE } from "../../delivery/records/headers.ts";

/**
 * Writes a mark into the control topic and reads it back, as each gateway does at its start; so it cannot hurt whoever reads
 * there, since all pass over marks that are not their own. There is no record that readers of the other topics would pass over
 * in silence.
 *
 * @returns milliseconds: as long as a gateway takes at its start until it knows which sessions are over.
 * @throws why it did not come back.
 */
export async function roundTrip(kafka: KafkaConfig, signal: AbortSignal): Promise<number> {
  const began = performance.now();
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const { promise: over, resolve: end } = Promise.withResolvers<void>();
  const late = (): void => {
    reject(new Error("the mark did not come back in time"));
    end();
  };
  signal.addEventListener("abort", late, { once: true });
  const log = new SharedLog({
    kafka,
    topic: kafka.topics.control,
    type: SESSION_STATE_TYPE,
    reader: { onRecord: () => undefined, onRead: resolve },
    log: (level, message) => {
      // It would try again for ever.
      if (level === "warn") reject(new Error(message));
    },
  });
  try {
    await promise;
    const time = performance.now() - began;
    // Behind this one the mark has been taken away, too.
    await Promise.race([log.publish(`${MARK}doctor`, undefined), over]);
    return time;
  } finally {
    signal.removeEventListener("abort", late);
    await log.close();
  }
}
