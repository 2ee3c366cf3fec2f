import { connect, createServer, type Socket } from "node:net";
import type { TestContext } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { random } from "../fuzz/random.ts";
import { frames } from "./frames.ts";
