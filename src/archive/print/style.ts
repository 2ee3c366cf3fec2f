import { styleText } from "node:util";

export type Color = "red" | "green" | "yellow" | "cyan" | "dim" | "bold";

/** How to print on an output. */
export interface Style {
  /** Columns a line may take. */
  readonly width: number;
  paint(color: Color, text: string): string;
}

/** Columns where an output does not say: wide enough for ids, sizes and times. */
const DEFAULT_WIDTH = 120;
const MIN_WIDTH = 40;

/** Colours only on a terminal, and not when `NO_COLOR` is set and not empty (no-color.org). */
export function styleFor(
  output: { readonly isTTY?: boolean; readonly columns?: number },
  environment: NodeJS.ProcessEnv = process.env,
): Style {
  const colored = output.isTTY === true && (environment.NO_COLOR ?? "") === "" && environment.TERM !== "dumb";
  return {
    width: Math.max(MIN_WIDTH, (output.isTTY === true ? output.columns : undefined) ?? DEFAULT_WIDTH),
    paint: (color, text) => (colored ? styleText(color, text, { validateStream: false }) : text),
  };
}
