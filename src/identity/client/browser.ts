import { spawn } from "node:child_process";

/** Whether a browser on this machine would be seen by the person who asks for it. */
export function hasBrowser(
  environment: NodeJS.ProcessEnv = process.env,
  platform = process.platform,
): boolean {
  if (environment.SSH_CONNECTION !== undefined || environment.SSH_TTY !== undefined) return false;
  if (platform === "darwin" || platform === "win32") return true;
  return Boolean(environment.BROWSER ?? environment.DISPLAY ?? environment.WAYLAND_DISPLAY);
}

/** Opens a page in the person's browser, or does nothing: they have the address, too. */
export function openBrowser(url: URL, environment: NodeJS.ProcessEnv = process.env): void {
  const [command, ...args] = commandFor(url.href, environment);
  if (command === undefined) return;
  // Never by a shell: the address is a stranger's.
  const child = spawn(command, args, { stdio: "ignore", detached: true });
  child.once("error", () => {});
  child.unref();
}

function commandFor(url: string, { BROWSER }: NodeJS.ProcessEnv): string[] {
  if (BROWSER) return [BROWSER, url];
  if (process.platform === "darwin") return ["open", url];
  if (process.platform === "win32") return ["rundll32", "url.dll,FileProtocolHandler", url];
  return ["xdg-open", url];
}
