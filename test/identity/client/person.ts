import type { TestContext } from "node:test";
import { type Browser, chromium, type Page } from "playwright-core";
import { partFor } from "../../clients/support/parts.ts";

/** A person with a real browser, or `undefined` where there is none and the test is skipped. */
export async function newPerson(test: TestContext): Promise<Person | undefined> {
  const executablePath = partFor(test, "chromium");
  if (executablePath === undefined) return undefined;
  const browser = await chromium.launch({ executablePath });
  test.after(() => browser.close());
  return new Person(browser);
}

export class Person {
  readonly #browser: Browser;

  constructor(browser: Browser) {
    this.#browser = browser;
  }

  /** Opens an address in a browser that knows nobody. */
  async open(url: string): Promise<Page> {
    const page = await (await this.#browser.newContext()).newPage();
    page.setDefaultTimeout(20_000);
    await page.goto(url);
    return page;
  }

  /** Signs in on the test provider's pages, from the one that asks for the e-mail address; answers the last page's title. */
  async signIn(page: Page, email: string): Promise<string> {
    await page.getByLabel("E-mail").fill(email);
    await page.getByRole("button", { name: "Sign in", exact: true }).click();
    await page.getByRole("button", { name: "Allow" }).click();
    return await heading(page);
  }

  async signInAt(url: string, email: string): Promise<string> {
    return await this.signIn(await this.open(url), email);
  }
}

export async function heading(page: Page): Promise<string> {
  return (await page.locator("h1").textContent()) ?? "";
}
