/*
 * What programs of others import: to read what bqtape has recorded, from its Kafka topics or from a tape. All else is the
 * program's own, and changes without notice.
 */

export { type TapeVerdict, verifyTape } from "./archive/verify/verify-tape.ts";
export {
  BodyAssembler,
  type BodyAssemblerOptions,
  type BodyPart,
  type Verdict as BodyVerdict,
} from "./delivery/records/body-assembler.ts";
export { RecordError } from "./delivery/records/errors.ts";
export {
  type BodyMessage,
  type ConsumedRecord,
  type EventMessage,
  readRecord,
  type TopicMessage,
} from "./delivery/records/read.ts";
export type { PublicJwk } from "./recording/keys/jwk.ts";
