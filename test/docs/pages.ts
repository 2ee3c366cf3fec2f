import { apiPage } from "./api.ts";
import { commandsPage } from "./commands.ts";
import { configurationPage } from "./configuration.ts";
import { errorsPage } from "./errors/page.ts";
import { eventsPage } from "./events.ts";
import { metricsPage } from "./metrics.ts";

/** The pages that are written from the code, and what they should say; to be made in the tree's root. */
export const PAGES: Readonly<Record<string, () => string | Promise<string>>> = {
  "docs/reference/api.md": apiPage,
  "docs/reference/commands.md": commandsPage,
  "docs/reference/configuration.md": configurationPage,
  "docs/reference/errors.md": errorsPage,
  "docs/reference/events.md": eventsPage,
  "docs/reference/metrics.md": metricsPage,
};
