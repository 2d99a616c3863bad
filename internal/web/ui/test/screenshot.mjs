// Takes a picture of a running dashboard, for the README:
//
//   node test/screenshot.mjs http://127.0.0.1:7600 dashboard.png [light|dark] [width]

import { launch, open } from "./harness.mjs";

const [url, out, theme = "light", width = "1600"] = process.argv.slice(2);
if (!url || !out) throw new Error("usage: screenshot.mjs URL FILE [light|dark] [width]");
const browser = await launch();
const page = await open(browser, url, { theme, width: Number(width), deviceScaleFactor: 1.5 });
await page.locator(".metric canvas").first().waitFor();
await page.evaluate(() => document.fonts.ready);
// Two frames, so that the charts have drawn with the font that just came.
await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
await page.screenshot({ path: out, clip: { x: 0, y: 0, width: Number(width), height: Math.round(Number(width) * 0.615) }, fullPage: true });
await browser.close();
