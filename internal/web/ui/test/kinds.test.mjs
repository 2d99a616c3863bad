// What a page tells of each kind of rollout, and of what has a say beside the evidence.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { cleanUp, launch, open, serve } from "./harness.mjs";

let browser;
before(async () => { browser = await launch(); });
after(async () => { await browser?.close(); await cleanUp(); });

const texts = (locator) => locator.allTextContents();

/** No page of any kind is wider than its window. */
async function fits(server) {
  for (const width of [380, 900, 1600]) {
    const page = await open(browser, server.url, { width });
    await page.locator("h1").waitFor();
    await page.evaluate(() => document.fonts.ready);
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), width, `at ${width}`);
    await page.context().close();
  }
}

describe("held from outside", () => {
  let server, page;
  before(async () => {
    server = await serve("-scenario", "watched", "-blocks", "20");
    page = await open(browser, server.url);
    await page.getByRole("region", { name: "Limits, checks and gates" }).waitFor();
  });
  after(async () => { await page.context().close(); await server.stop(); });
  const row = (name) => page.locator(".watch", { has: page.getByText(name, { exact: true }) });

  test("the phase is told as held, by whom, to a screen reader and in the title too", async () => {
    assert.match(await page.locator(".masthead .phase").textContent(), /Held/);
    await page.locator(".masthead").getByText("Held at 5%: switch: the flag churn-rollout says hold.").waitFor();
    assert.match(await page.locator("#announcement").textContent(), /^churn-watched: Held, step 1 of 4/);
    assert.match(await page.title(), /churn-watched: Held/);
  });

  test("everything that has a say is listed, what is against going on first", async () => {
    assert.deepEqual(await texts(page.locator(".watch .name b")),
      ["queue", "cost", "the flag churn-rollout", "change-board", "golden-customer", "gpu-memory"]);
    assert.equal(await page.getByText("3 of 6 against going on").count(), 1);
    assert.deepEqual(await texts(page.locator(".watch .chip")),
      ["✕ outside limits", "✕ has changed", "✕ says no", "… not known", "✓ passes", "✓ within limits"]);
  });

  test("a guardrail shows its reading, its limit and what it does; a dry run says so", async () => {
    assert.match(await row("queue").textContent(), /130 max 100.*Is at 130, above its max of 100.*3 in a row outside: takes the candidate back\./);
    assert.match(await row("cost").textContent(), /9\.50.*Was at 4\.2 before the rollout; evidence 1840 to 1\..*dry run: would take the candidate back\./);
    assert.match(await row("change-board").textContent(), /must say yes before the promotion: holds the rollout/i);
  });

  test("the meter puts the reading on the side of the limit where it is", async () => {
    const left = (name, what) => row(name).locator(what).last().evaluate((e) => e.getBoundingClientRect().left);
    assert.ok(await left("queue", ".needle") > await left("queue", ".outside"), "130 is drawn inside a maximum of 100");
    assert.ok(await left("gpu-memory", ".needle") < await left("gpu-memory", ".outside"), "41 is drawn outside a maximum of 70");
  });

  test("a metric that is not corrected for users who stay says what that means", async () => {
    assert.equal(await page.locator(".metric .caveat").count(), 1);
    await page.locator("article", { has: page.getByRole("heading", { name: /^errors/ }) }).getByText("the stated error rates do not hold for it").waitFor();
  });

  test("fits the window, and the browser complains of nothing", async () => {
    await fits(server);
    assert.deepEqual(page.complaints, []);
  });
});

describe("an experiment", () => {
  let server, page;
  before(async () => {
    server = await serve("-scenario", "trial", "-blocks", "20");
    page = await open(browser, server.url);
    await page.getByRole("region", { name: "Experiment", exact: true }).waitFor();
  });
  after(async () => { await page.context().close(); await server.stop(); });
  const arm = (name) => page.locator("table.trial tbody tr", { has: page.getByText(name, { exact: true }) });

  test("says what it is, and shows every arm: traffic, goal, interval, who is ahead, who is closed", async () => {
    await page.getByText("Experiment with 4 arms").waitFor();
    assert.deepEqual(await texts(page.locator("table.trial tbody th b")), ["stable", "canary", "large", "broken"]);
    assert.match(await arm("large").textContent(), /ahead so far14\.8\s%\+3\.60\spp \+0\.40\spp to \+6\.80\spp, ±0\.60\spp of it for who the users are86\.0\s%45\.0\s%2,31097\.0\s% of those old enough/);
    assert.equal(await page.getByText("ahead so far").count(), 1);
    assert.match(await arm("broken").textContent(), /closed.*9\.1% of requests fail/i);
    assert.match(await page.locator("#experiment").textContent(), /compared for 12\smin/);
  });

  test("draws each interval on one scale, where nothing is in the middle", async () => {
    const at = (name, what) => arm(name).locator(`.forest .${what}`).evaluate((e) => e.getBoundingClientRect()).then((r) => [r.left, r.right]);
    const [zero] = await at("large", "zero"), [low] = await at("large", "range"), [from, to] = await at("canary", "range");
    assert.ok(low > zero, "an interval above zero is drawn across it");
    assert.ok(from < zero && to > zero, "an interval across zero is not drawn so");
    assert.equal(await arm("stable").locator(".forest").count(), 0);
  });

  test("the differences between treatments are there, too", async () => {
    await page.getByText("Differences between the other arms").click();
    assert.deepEqual(await texts(page.locator(".others tbody th")), ["large", "broken", "broken"]);
    assert.match(await page.locator(".others tbody tr").first().textContent(), /large.*canary.*\+2\.10\spp −0\.90\spp to \+5\.20\spp/);
  });

  test("what ends with a report offers no promotion, and says why", async () => {
    const button = page.getByRole("button", { name: "Promote fully…", exact: true });
    assert.equal(await button.getAttribute("aria-disabled"), "true");
    assert.equal(await button.getAttribute("title"), "Nothing is promoted here: it ends with a report.");
    await button.focus();
    await page.keyboard.press("Enter");
    await page.getByText("Promote fully: nothing is promoted here: it ends with a report.").waitFor();
    assert.deepEqual(await server.commands(), []);
  });

  test("charts, classes and counts are of all arms", async () => {
    assert.match(await page.locator(".signal .plot").first().getAttribute("aria-label"), /^Failed requests: stable .*, canary .*, large .*, broken .*\.$/);
    const figures = page.locator(".signal .figures").first();
    await figures.locator("summary").click();
    assert.deepEqual(await texts(figures.locator("th")), ["Time", "Stable", "Canary", "Large", "Broken"]);
    assert.equal(await page.locator(".arm-key").count(), 4);
    assert.equal(await page.locator("tr", { hasText: "Requests answered" }).locator("td").count(), 4);
    assert.equal(await page.getByRole("region", { name: "Traffic", exact: true }).count(), 0, "a gauge of two arms is shown for four");
  });

  test("fits the window, and the browser complains of nothing", async () => {
    await fits(server);
    assert.deepEqual(page.complaints, []);
  });
});

describe("other kinds", () => {
  test("by flag: no latencies or classes that nobody sees, evaluations instead of requests", async () => {
    const server = await serve("-scenario", "flag", "-blocks", "20");
    const page = await open(browser, server.url);
    await page.getByText("Canary by feature flag").waitFor();
    await page.locator("tr", { hasText: "Evaluations answered" }).waitFor();
    assert.equal(await page.getByText("Latency p50").count(), 0);
    assert.equal(await page.getByRole("region", { name: "Predicted classes" }).count(), 0);
    await page.context().close();
    await server.stop();
  });

  test("blue-green: the steps have the names of what they are for", async () => {
    const server = await serve("-scenario", "blue", "-blocks", "6");
    const page = await open(browser, server.url);
    await page.getByText("Blue-green", { exact: true }).waitFor();
    assert.deepEqual((await texts(page.locator(".ladder .name"))).map((t) => t.replace(/\s/g, " ")),
      ["preview, mirror 100 % for 10 min 00 s", "bake at 90 % for 1 h 00 min", "100 %, for good"]);
    await page.context().close();
    await server.stop();
  });

  test("nothing beside the evidence: no empty panel", async () => {
    const server = await serve("-scenario", "good", "-blocks", "6");
    const page = await open(browser, server.url);
    await page.getByText("Canary", { exact: true }).first().waitFor();
    assert.equal(await page.getByRole("region", { name: "Limits, checks and gates" }).count(), 0);
    assert.equal(await page.locator(".caveat").count(), 0);
    await page.context().close();
    await server.stop();
  });
});

describe("long after the end", () => {
  test("the evidence is not squeezed together by what is counted later", async () => {
    const server = await serve("-scenario", "long", "-blocks", "400");
    const page = await open(browser, server.url);
    await page.getByText("Rolled back", { exact: true }).first().waitFor();
    const newest = async (kind) => {
      const figures = page.locator(`.${kind} .figures`).first();
      await figures.locator("summary").click();
      const [h, m, s] = (await figures.locator("td").first().textContent()).split(":").map(Number);
      return 3600 * h + 60 * m + s;
    };
    const evidence = await newest("metric"), behaviour = await newest("signal");
    const later = (behaviour - evidence + 86_400) % 86_400;
    assert.ok(later > 300, `evidence ends ${later} s before the last block`);
    await page.getByText(/^took [1-5]?\d/).waitFor();
    await page.context().close();
    await server.stop();
  });
});

describe("a connection that is gone", () => {
  test("while it runs: the title says so", async () => {
    const server = await serve("-scenario", "good", "-blocks", "6");
    const page = await open(browser, server.url);
    await page.getByText("Progressing", { exact: true }).waitFor();
    await server.stop();
    await page.getByRole("alert").waitFor();
    assert.match(await page.title(), /connection lost, was .*churn: Progressing/);
    await page.context().close();
  });

  test("after the end: no alarm, for the process ends with its rollout", async () => {
    const server = await serve("-scenario", "good", "-blocks", "120");
    const page = await open(browser, server.url);
    await page.getByText("Promoted", { exact: true }).first().waitFor();
    await server.stop();
    await page.getByRole("status").getByText("The rollout has ended").waitFor();
    assert.equal(await page.getByRole("alert").count(), 0);
    await page.getByText("ended", { exact: true }).waitFor();
    assert.doesNotMatch(await page.title(), /lost/);
    assert.equal(await page.locator("main.stale").count(), 0);
    await page.context().close();
  });
});
