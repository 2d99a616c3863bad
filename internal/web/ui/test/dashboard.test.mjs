// The dashboard in a real browser: what it shows, what it sends, who can read it.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { after, before, describe, test } from "node:test";
import { cleanUp, launch, open, serve } from "./harness.mjs";

let browser;
before(async () => { browser = await launch(); });
after(async () => { await browser?.close(); await cleanUp(); });

describe("a rollout on its way", () => {
  let server;
  before(async () => { server = await serve("-scenario", "good", "-blocks", "20"); });
  after(() => server.stop());

  test("shows the phase, the versions, the step and the evidence", async () => {
    const page = await open(browser, server.url);
    await page.getByRole("heading", { level: 1, name: "churn" }).waitFor();
    await page.getByText("Progressing", { exact: true }).waitFor();
    await page.getByText("step 1 of 4").first().waitFor();
    assert.equal(await page.locator(".metric").count(), 5);
    assert.equal(await page.locator(".metric canvas").count(), 5);
    const said = await page.locator(".metric .plot").first().getAttribute("aria-label");
    assert.match(said, /Evidence on errors: .*\s:\s1 that the canary is no worse, 20\s:\s1 needed to promote; .* 250\s:\s1 needed to roll back/);
    assert.match(await page.title(), /churn: Progressing/);
    assert.deepEqual(page.complaints, []);
    await page.context().close();
  });

  test("draws: the pictures are not blank, and differ between themes", async () => {
    const seen = new Set();
    for (const theme of ["light", "dark"]) {
      const page = await open(browser, server.url, { theme });
      await page.locator(".metric canvas").nth(4).waitFor();
      const colours = await page.locator(".metric canvas").first().evaluate(async (canvas) => {
        await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
        const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
        const all = new Map();
        for (let i = 0; i < data.length; i += 4) if (data[i + 3] > 200) {
          const key = `${data[i]},${data[i + 1]},${data[i + 2]}`;
          all.set(key, (all.get(key) ?? 0) + 1);
        }
        return [...all].sort((a, b) => b[1] - a[1]).slice(0, 3).map(([key]) => key);
      });
      assert.ok(colours.length === 3, `${theme}: the chart has ${colours.length} colours`);
      seen.add(colours.join(" "));
      const shot = await page.screenshot();
      assert.ok(shot.length > 40_000, `${theme}: the screenshot is ${shot.length} bytes`);
      await page.context().close();
    }
    assert.equal(seen.size, 2, "light and dark draw the same colours");
  });

  test("a block that is taken appears by itself, without a jump", async () => {
    const page = await open(browser, server.url);
    await page.locator(".metric canvas").nth(4).waitFor();
    await page.evaluate(() => document.fonts.ready);
    await page.evaluate(() => {
      window.jumps = 0;
      new PerformanceObserver((list) => { for (const e of list.getEntries()) window.jumps += e.value; }).observe({ type: "layout-shift" });
    });
    const requests = page.locator("tr", { hasText: "Requests answered" }).locator("td").first();
    const before = await requests.textContent();
    await server.advance(3);
    await page.waitForFunction((old) => [...document.querySelectorAll("tr")].some((r) =>
      r.textContent.startsWith("Requests answered") && r.cells[1].textContent !== old), before);
    assert.ok((await page.evaluate(() => window.jumps)) < 0.02, "the layout jumped");
    await page.context().close();
  });

  test("fits 380 and 1600 pixels without scrolling sideways", async () => {
    for (const width of [380, 768, 1100, 1600]) {
      const page = await open(browser, server.url, { width });
      await page.locator(".metric canvas").nth(4).waitFor();
      assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), width, `at ${width}`);
      await page.context().close();
    }
  });

  test("the figures behind a chart are a table", async () => {
    const page = await open(browser, server.url);
    const figures = page.locator(".metric .figures").first();
    await figures.locator("summary").click();
    await figures.locator("td").first().waitFor();
    assert.deepEqual(await figures.locator("th").allTextContents(), ["Time", "No worse", "Worse", "Stable", "Canary"]);
    assert.ok((await figures.locator("tr").count()) > 10);
    await page.context().close();
  });

  test("label coverage is of predictions old enough to have one", async () => {
    const page = await open(browser, server.url);
    const row = page.locator("tr", { hasText: "Label coverage" });
    await row.waitFor();
    for (const cell of await row.locator("td").allTextContents()) assert.match(cell, /^(89|90)(\.\d+)?\s% of [\d,]+$/);
    await page.context().close();
  });

  test("the margin is drawn where it lies: below zero for what must not fall, above for what must not rise", async () => {
    const rising = await serve("-scenario", "rising", "-blocks", "20");
    for (const [url, side] of [[server.url, "below"], [rising.url, "above"]]) {
      const page = await open(browser, url);
      const picture = page.locator("article", { has: page.getByRole("heading", { name: /^confidence/ }) }).locator(".interval").first();
      const at = (what) => picture.locator(`.${what}`).evaluate((e) => e.getBoundingClientRect()).then((r) => [r.left, r.right]);
      const [margin] = await at("margin"), [zero] = await at("zero"), [left, right] = await at("beyond");
      assert.ok(side === "below" ? margin < zero && right <= margin + 1 : margin > zero && left >= margin - 1,
        `${side}: margin at ${margin}, zero at ${zero}, worse from ${left} to ${right}`);
      assert.match(await picture.locator(".allowed").textContent(), side === "below" ? /^margin \u22120\.03/ : /^margin \+0\.03/);
      await page.context().close();
    }
    await rising.stop();
  });

  test("the theme can be chosen and is remembered", async () => {
    const page = await open(browser, server.url, { theme: "light" });
    const background = () => page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
    const light = await background();
    await page.getByRole("button", { name: /Theme: auto/ }).click();
    await page.getByRole("button", { name: /Theme: light/ }).click();
    const dark = await background();
    assert.notEqual(dark, light);
    await page.reload();
    await page.getByRole("button", { name: /Theme: dark/ }).waitFor();
    assert.equal(await background(), dark);
    assert.deepEqual(page.complaints, []);
    await page.context().close();
  });
});

describe("commands", () => {
  let server, page;
  before(async () => {
    server = await serve("-scenario", "good", "-blocks", "6");
    page = await open(browser, server.url);
    await page.getByText("Progressing", { exact: true }).waitFor();
  });
  after(async () => { await page.context().close(); await server.stop(); });
  const button = (name) => page.getByRole("button", { name, exact: true });
  const last = async () => (await server.commands()).at(-1);

  test("what cannot be done says why and sends nothing", async () => {
    assert.equal(await page.getByRole("button", { name: "Resume", exact: true }).getAttribute("aria-disabled"), "true");
    await button("Resume").focus();
    await page.keyboard.press("Enter");
    await page.getByText("Resume: it is not paused.").waitFor();
    assert.equal((await server.commands()).length, 0);
  });

  test("pause and resume are sent, and the reply is shown", async () => {
    await page.getByRole("button", { name: "Pause", exact: true }).click();
    await page.getByText("Held at 5%; analysis goes on.").waitFor();
    await page.getByText("Paused", { exact: true }).first().waitFor();
    await page.getByText(/^paused by dashboard since \d\d:\d\d:\d\d$/).waitFor();
    assert.equal(await page.getByRole("button", { name: "Pause", exact: true }).getAttribute("title"), "It is paused already.");
    const { verb, by, revision } = await last();
    assert.deepEqual({ verb, by, revision }, { verb: "pause", by: "dashboard", revision: "c07a9d42" });
    await page.getByRole("button", { name: "Resume", exact: true }).click();
    await page.getByText("The rollout goes on at 5%.").waitFor();
    assert.equal((await last()).verb, "resume");
  });

  test("abort asks first; Escape keeps the rollout going", async () => {
    const sent = (await server.commands()).length;
    await button("Abort…").click();
    await page.getByRole("dialog", { name: "Take v2 back?" }).waitFor();
    await page.keyboard.press("Escape");
    await page.getByRole("dialog").waitFor({ state: "hidden" });
    assert.equal((await server.commands()).length, sent);
    assert.ok(await button("Abort…").evaluate((b) => b === document.activeElement), "focus returns to the button");
  });

  test("abort is sent with its reason, and retry after it", async () => {
    await button("Abort…").click();
    await page.getByLabel("Reason, for the log").fill("wrong model file");
    await button("Abort the rollout").click();
    await page.getByText("All traffic goes back to v1.").waitFor();
    const { verb, reason } = await last();
    assert.deepEqual({ verb, reason }, { verb: "abort", reason: "wrong model file" });
    await server.advance(1);
    await page.getByText("Rolled back", { exact: true }).first().waitFor();
    await page.getByText("Aborted: wrong model file.").first().waitFor();
    await page.getByRole("button", { name: "Retry", exact: true }).click();
    await page.getByText("attempt 2").first().waitFor();
  });

  test("promote fully asks first and skips the gates", async () => {
    await server.advance(4);
    await page.getByText("Progressing", { exact: true }).waitFor();
    await button("Promote fully…").click();
    await button("Promote fully").click();
    await page.getByText("the remaining gates are skipped").waitFor();
    const { verb, full, step } = await last();
    assert.deepEqual({ verb, full, step }, { verb: "promote", full: true, step: 0 });
    await server.advance(1);
    await page.getByText("Promoted", { exact: true }).first().waitFor();
    // The browser itself reports commands that were refused; none was.
    assert.deepEqual(page.complaints, []);
  });
});

describe("states", () => {
  test("no rollout: says how to start one, and takes note when there is one", async () => {
    const server = await serve("-scenario", "none");
    const page = await open(browser, server.url);
    await page.getByRole("heading", { name: "No rollout yet" }).waitFor();
    await page.getByText("haldane run -f rollout.yaml").waitFor();
    assert.deepEqual(page.complaints, []);
    await page.context().close();
    await server.stop();
  });

  test("waiting for the canary: every part says what it waits for", async () => {
    const server = await serve("-scenario", "good");
    const page = await open(browser, server.url);
    await page.getByText("Starting", { exact: true }).waitFor();
    await page.getByText("Waiting for v2 to become ready.").waitFor();
    await page.getByText("No verdict yet.").waitFor();
    await page.getByText("No traffic has been counted yet.").first().waitFor();
    await page.context().close();
    await server.stop();
  });

  test("rolled back: names the culprit and offers another try", async () => {
    const server = await serve("-scenario", "wrong", "-blocks", "80");
    const page = await open(browser, server.url);
    await page.getByText("Rolled back", { exact: true }).first().waitFor();
    assert.equal(await page.locator(".metric.culprit h3").textContent(), "accuracy wrong by later labels");
    assert.equal(await page.locator(".metric h3").first().textContent(), "accuracy wrong by later labels", "what ended it comes first");
    await page.getByText("taken back here").waitFor();
    assert.equal(await page.getByRole("button", { name: "Retry", exact: true }).getAttribute("aria-disabled"), "false");
    await page.context().close();
    await server.stop();
  });

  test("connection lost: says so, disables commands, and comes back with what was missed", async () => {
    const server = await serve("-scenario", "good", "-blocks", "6");
    const page = await open(browser, server.url);
    await page.getByText("Progressing", { exact: true }).waitFor();
    await page.context().setOffline(true);
    await server.hangUp();
    await page.getByRole("alert").getByText("Connection lost.").waitFor();
    assert.equal(await page.getByRole("button", { name: "Pause", exact: true }).getAttribute("aria-disabled"), "true");
    await server.advance(5);
    await page.context().setOffline(false);
    await page.getByRole("alert").waitFor({ state: "hidden" });
    await page.getByText("live", { exact: true }).waitFor();
    const figures = page.locator(".signal .figures").first();
    await figures.locator("summary").click();
    await figures.locator("td").first().waitFor();
    assert.equal(await figures.locator("tr").count(), 1 + 4 + 5, "a row for every block, none missing");
    await page.context().close();
    await server.stop();
  });

  test("a token is asked for once and kept in the tab", async () => {
    const server = await serve("-scenario", "good", "-blocks", "6", "-token", "open-sesame");
    const page = await open(browser, server.url);
    await page.getByLabel("Token").fill("wrong");
    await page.getByRole("button", { name: "Open the dashboard" }).click();
    await page.getByText("That token was refused.").waitFor();
    await page.getByLabel("Token").fill("open-sesame");
    await page.getByRole("button", { name: "Open the dashboard" }).click();
    await page.getByRole("heading", { level: 1, name: "churn" }).waitFor();
    await page.reload();
    await page.getByRole("heading", { level: 1, name: "churn" }).waitFor();
    assert.equal(await page.evaluate(() => Object.values(localStorage).join()), "");
    await page.getByRole("button", { name: "Pause", exact: true }).click();
    await page.getByText("Held at 5%").first().waitFor();
    await page.context().close();
    await server.stop();
  });

  test("several rollouts: one is chosen, and the address says which", async () => {
    const server = await serve("-scenario", "good,wrong", "-blocks", "6");
    const page = await open(browser, `${server.url}/#/churn-wrong`);
    await page.getByRole("heading", { level: 1, name: "churn-wrong" }).waitFor();
    await page.getByLabel("Rollout").selectOption("churn");
    await page.getByRole("heading", { level: 1, name: "churn", exact: true }).waitFor();
    assert.match(page.url(), /#\/churn$/);
    await page.context().close();
    await server.stop();
  });
});

describe("another site's page", () => {
  test("can neither send a command nor read nor frame the dashboard", async (t) => {
    const server = await serve("-scenario", "good", "-blocks", "6");
    const elsewhere = createServer((_, answer) => { answer.setHeader("Content-Type", "text/html"); answer.end("<title>elsewhere</title>"); });
    t.after(() => { elsewhere.closeAllConnections(); elsewhere.close(); });
    await new Promise((listening) => elsewhere.listen(0, "127.0.0.1", listening));
    const page = await open(browser, server.url);
    const foreign = await page.context().newPage();
    await foreign.goto(`http://127.0.0.1:${elsewhere.address().port}/`);
    const outcome = await foreign.evaluate(async (url) => {
      const attempt = (options) => fetch(`${url}/api/v1/rollouts/churn/commands`, { method: "POST", body: '{"verb":"abort"}', ...options })
        .then((r) => r.type, () => "failed");
      return [
        await attempt({ mode: "no-cors" }), // as a form would send it
        await attempt({ headers: { "Content-Type": "application/json" } }),
        await fetch(`${url}/api/v1/rollouts`).then((r) => r.text(), () => "failed"),
      ];
    }, server.url);
    assert.deepEqual(outcome, ["failed", "failed", "failed"]);
    assert.deepEqual(await server.commands(), [], "the command of another site's page was obeyed");

    await foreign.evaluate((url) => new Promise((loaded) => {
      const frame = document.createElement("iframe");
      frame.src = url;
      frame.onload = loaded;
      document.body.append(frame);
    }), server.url);
    assert.ok(!foreign.frames().some((f) => f.url().startsWith(server.url)), "the dashboard was framed");

    // The same request from the dashboard's own page does arrive.
    assert.equal(await page.evaluate(() => fetch("/api/v1/rollouts/churn/commands",
      { method: "POST", headers: { "Content-Type": "application/json" }, body: '{"verb":"pause"}' }).then((r) => r.status)), 200);
    await page.context().close();
    await server.stop();
  });
});
