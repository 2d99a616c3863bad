// Who uses a keyboard, a screen reader, other colours or less motion.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { after, before, describe, test } from "node:test";
import { cleanUp, launch, open, serve } from "./harness.mjs";

const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
let browser;
before(async () => { browser = await launch(); });
after(async () => { await browser?.close(); await cleanUp(); });

/** What axe-core finds that is serious or worse. Its own script is let past the policy. */
async function violations(page) {
  await page.evaluate(axe);
  const { violations: all } = await page.evaluate(() => globalThis.axe.run(document, {
    runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
  }));
  return all.map((v) => `${v.impact} ${v.id}: ${v.nodes.slice(0, 3).map((n) => `${n.target.join(" ")} ${n.failureSummary?.split("\n")[1] ?? ""}`).join(" | ")}`);
}

describe("accessibility", () => {
  const pages = [
    ["on its way", ["-scenario", "good", "-blocks", "40"]],
    ["rolled back", ["-scenario", "wrong", "-blocks", "80"]],
    ["promoted", ["-scenario", "good", "-blocks", "120"]],
    ["starting", ["-scenario", "good"]],
    ["empty", ["-scenario", "none"]],
    ["held from outside", ["-scenario", "watched", "-blocks", "20"]],
    ["an experiment", ["-scenario", "trial", "-blocks", "20"]],
    ["by flag", ["-scenario", "flag", "-blocks", "20"]],
    ["locked", ["-scenario", "good", "-token", "x"]],
  ];
  for (const [name, args] of pages) {
    for (const theme of ["light", "dark"]) {
      test(`${name}, ${theme}: axe-core finds nothing at either width`, async () => {
        const server = await serve(...args);
        for (const width of [380, 1600]) {
          const page = await open(browser, server.url, { theme, width, bypassCSP: true, reducedMotion: "reduce" });
          await page.locator("h1").waitFor();
          await page.evaluate(() => document.fonts.ready);
          assert.deepEqual(await violations(page), [], `at ${width}`);
          await page.context().close();
        }
        await server.stop();
      });
    }
  }

  test("an open dialog and a lost connection pass as well", async () => {
    const server = await serve("-scenario", "good", "-blocks", "20");
    const page = await open(browser, server.url, { bypassCSP: true, reducedMotion: "reduce" });
    await page.getByRole("button", { name: "Abort…", exact: true }).click();
    await page.getByRole("dialog").waitFor();
    assert.deepEqual(await violations(page), []);
    await page.keyboard.press("Escape");
    await page.context().setOffline(true);
    await server.hangUp();
    await page.getByRole("alert").waitFor();
    assert.deepEqual(await violations(page), []);
    const said = page.getByText("connection lost", { exact: true });
    assert.notEqual(...await said.evaluate((e) => [getComputedStyle(e).color, getComputedStyle(e).backgroundColor]));
    await page.context().close();
    await server.stop();
  });
});

describe("keyboard", () => {
  test("everything is reached in order, with a visible focus, and no trap", async () => {
    const server = await serve("-scenario", "good", "-blocks", "20");
    const page = await open(browser, server.url);
    await page.getByText("Progressing", { exact: true }).waitFor();
    const reached = [];
    for (let i = 0; i < 60; i++) {
      await page.keyboard.press("Tab");
      const at = await page.evaluate(() => {
        const e = document.activeElement;
        if (!e || e === document.body) return null;
        const style = getComputedStyle(e);
        return { name: (e.getAttribute("aria-label") ?? e.textContent ?? "").trim().slice(0, 24), outline: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 1 };
      });
      if (!at) break;
      assert.ok(at.outline, `${at.name} shows no focus`);
      reached.push(at.name);
    }
    assert.equal(reached[0], "Skip to the rollout");
    for (const name of ["Theme: auto", "Promote", "Pause", "Abort…", "Figures of", "Log, newest", "Licences"]) {
      assert.ok(reached.some((r) => r.startsWith(name)), `${name} is not reached: ${reached.join(", ")}`);
    }
    assert.equal(reached.at(-1), "Licences", "the walk ends at the end of the page");
    await page.context().close();
    await server.stop();
  });

  test("the skip link leads to the rollout, and a command is given by keyboard alone", async () => {
    const server = await serve("-scenario", "good", "-blocks", "6");
    const page = await open(browser, server.url);
    await page.getByText("Progressing", { exact: true }).waitFor();
    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    assert.equal(await page.evaluate(() => document.activeElement?.id), "main");
    await page.keyboard.press("Tab"); // Promote
    await page.keyboard.press("Tab"); // Pause
    await page.keyboard.press("Enter");
    await page.getByText("Held at 5%").first().waitFor();
    assert.equal((await server.commands())[0].verb, "pause");
    await page.context().close();
    await server.stop();
  });
});

describe("screen reader", () => {
  test("landmarks, names, and an announcement when the phase changes, not at every block", async () => {
    const server = await serve("-scenario", "good", "-blocks", "6");
    const page = await open(browser, server.url);
    await page.getByText("Progressing", { exact: true }).waitFor();
    for (const role of ["banner", "main", "contentinfo"]) assert.equal(await page.getByRole(role).count(), 1, role);
    for (const name of ["Traffic", "Evidence", "Behaviour", "Predicted classes", "Log"]) {
      assert.equal(await page.getByRole("region", { name, exact: true }).count(), 1, name);
    }
    await page.evaluate(() => {
      window.said = [];
      new MutationObserver(() => window.said.push(document.getElementById("announcement").textContent))
        .observe(document.getElementById("announcement"), { childList: true, characterData: true, subtree: true });
    });
    const blocks = page.locator("tr", { hasText: "Requests answered" });
    const before = await blocks.textContent();
    await server.advance(2);
    await page.waitForFunction((old) => document.querySelector("#counts-title").closest("section").textContent.includes("Requests answered") &&
      ![...document.querySelectorAll("tr")].some((r) => r.textContent === old), before);
    assert.deepEqual(await page.evaluate(() => window.said), [], "a block alone is announced");
    await page.getByRole("button", { name: "Pause", exact: true }).click();
    await page.waitForFunction(() => window.said.length > 0);
    assert.match((await page.evaluate(() => window.said)).at(-1), /churn: Paused, step 1 of 4, 5.%/);
    await page.context().close();
    await server.stop();
  });
});

describe("motion", () => {
  test("nothing moves for who asked for less", async () => {
    const server = await serve("-scenario", "good", "-blocks", "6");
    const page = await open(browser, server.url, { reducedMotion: "reduce" });
    await page.locator(".track .fill").waitFor();
    assert.equal(await page.locator(".track .fill").evaluate((e) => getComputedStyle(e).transitionProperty === "none" || parseFloat(getComputedStyle(e).transitionDuration) === 0), true);
    await page.context().close();
    await server.stop();
  });
});
