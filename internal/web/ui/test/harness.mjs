// Starts what the browser tests need: replayed rollouts and a Chromium.

import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { execFile } from "node:child_process";
import { chromium } from "playwright-core";

const repository = join(dirname(fileURLToPath(import.meta.url)), "..", "..", "..", "..");
const run = promisify(execFile);
let built;
const running = new Set();

/** Builds the server once for a run of the tests. */
async function binary() {
  built ??= (async () => {
    const dir = await mkdtemp(join(tmpdir(), "haldane-browser-"));
    const out = join(dir, "fakeserver");
    await run("go", ["build", "-o", out, "./internal/web/webtest/fakeserver"], { cwd: repository });
    return { out, dir };
  })();
  return built;
}

/** Ends what a test that failed left behind. */
export async function cleanUp() {
  for (const child of running) child.kill();
  if (built) await rm((await built).dir, { recursive: true, force: true });
}

/** A server on a free port, which ends when its input does: with this process at the latest. */
export async function serve(...args) {
  const { out } = await binary();
  const child = spawn(out, ["-until-eof", ...args], { stdio: ["pipe", "pipe", "inherit"] });
  running.add(child);
  child.once("exit", () => running.delete(child));
  const url = await new Promise((resolve, reject) => {
    child.stdout.once("data", (line) => resolve(String(line).trim()));
    child.once("exit", (code) => reject(new Error(`the server ended with ${code}`)));
  });
  const port = new URL(url).port;
  const post = async (path) => {
    const r = await fetch(url + path, { method: "POST" });
    if (!r.ok) throw new Error(`${path}: ${r.status}`);
  };
  return {
    url, port,
    advance: (blocks = 1) => post(`/test/advance?blocks=${blocks}`),
    hangUp: () => post("/test/hangup"),
    commands: async () => (await (await fetch(`${url}/test/commands`)).json()) ?? [],
    stop: () => new Promise((resolve) => { child.once("exit", resolve); child.stdin.end(); }),
  };
}

export async function launch() {
  return chromium.launch({
    executablePath: process.env.CHROMIUM || "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
      "--disable-component-update", "--disable-sync"],
  });
}

/**
 * Opens the dashboard. Whatever the browser complains of is collected in
 * page.complaints, a refusal by the content security policy among it.
 */
export async function open(browser, url, { width = 1600, theme = "light", ...more } = {}) {
  const context = await browser.newContext({ viewport: { width, height: 1000 }, colorScheme: theme, ...more });
  const page = await context.newPage();
  page.setDefaultTimeout(15_000);
  page.complaints = [];
  page.on("console", (m) => { if (m.type() === "error" || m.type() === "warning") page.complaints.push(m.text()); });
  page.on("pageerror", (e) => page.complaints.push(String(e)));
  await page.goto(url);
  return page;
}
