import type { ReadStream } from "node:tty";

/** What a key asks for. */
export type Key = "next" | "quit";

const KEYS: Readonly<Record<string, Key>> = {
  " ": "next",
  "\r": "next",
  "\n": "next",
  q: "quit",
  Q: "quit",
  // Raw, the terminal makes no signals of Ctrl-C and Ctrl-\, and no end of Ctrl-D.
  "\u0003": "quit",
  "\u0004": "quit",
  "\u001c": "quit",
};

/** Keys typed ahead that count. */
const MAX_AHEAD = 100;

/** Signals that end a process which does not handle them. */
const DEADLY = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"] as const;

/**
 * Reads keys one by one from a terminal, which is raw meanwhile: no line to end, nothing echoed. It is put back when this
 * is disposed of, and when the process ends in between, by itself or by a signal.
 */
export class Keys implements Disposable {
  readonly #terminal: ReadStream;
  readonly #ahead: Key[] = [];
  #awaited: ((key: Key) => void) | undefined;
  #over = false;

  constructor(terminal: ReadStream) {
    this.#terminal = terminal;
    process.on("exit", this.#restore);
    for (const signal of DEADLY) process.on(signal, this.#dieOf);
    terminal.on("data", this.#typed);
    for (const end of ["end", "close", "error"] as const) terminal.on(end, this.#gone);
    terminal.setRawMode(true);
  }

  /** The next key that means something; `quit` when the terminal is gone. */
  next(): Promise<Key> {
    const key = this.#ahead.shift() ?? (this.#over ? "quit" : undefined);
    if (key !== undefined) return Promise.resolve(key);
    return new Promise((resolve) => {
      this.#awaited = resolve;
    });
  }

  [Symbol.dispose](): void {
    this.#restore();
    process.off("exit", this.#restore);
    for (const signal of DEADLY) process.off(signal, this.#dieOf);
    this.#terminal.off("data", this.#typed);
    for (const end of ["end", "close"] as const) this.#terminal.off(end, this.#gone);
    // It would keep the process from ending. Its listener of errors stays: one may still come.
    this.#terminal.pause();
  }

  readonly #typed = (data: Buffer | string): void => {
    for (const character of data.toString()) {
      const key = KEYS[character];
      if (key !== undefined) this.#press(key);
    }
  };

  readonly #gone = (): void => {
    this.#over = true;
    this.#press("quit");
  };

  readonly #restore = (): void => {
    // A terminal that has gone cannot be set any more.
    if (!this.#terminal.destroyed) this.#terminal.setRawMode(false);
  };

  /** Ends of the signal, as without us. */
  readonly #dieOf = (signal: NodeJS.Signals): void => {
    this.#restore();
    process.off(signal, this.#dieOf);
    process.kill(process.pid, signal);
  };

  #press(key: Key): void {
    const awaited = this.#awaited;
    this.#awaited = undefined;
    if (awaited !== undefined) awaited(key);
    else if (this.#ahead.length < MAX_AHEAD) this.#ahead.push(key);
  }
}
