// Builds the dashboard into ../dist. The same sources and lock file give the
// same bytes: names are fixed, nothing is dated, nothing depends on the path.
import { build } from "esbuild";
import { cp, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const out = join(here, "..", "dist");
const shipped = ["preact", "uplot", "@fontsource-variable/ibm-plex-sans"];

await rm(out, { recursive: true, force: true });
await mkdir(out, { recursive: true });
await build({
  absWorkingDir: here,
  entryPoints: { app: "src/main.tsx", style: "src/style.css" },
  outdir: out,
  bundle: true,
  minify: true,
  format: "esm",
  target: ["es2022"],
  jsx: "automatic",
  jsxImportSource: "preact",
  loader: { ".woff2": "file" },
  assetNames: "[name]",
  legalComments: "none", // the licences are in THIRD-PARTY.txt
  charset: "utf8",
  logLevel: "warning",
});
for (const name of ["index.html", "icon.svg", "theme.js"]) await cp(join(here, "src", name), join(out, name));

let credits = "The dashboard contains the work of others, under these licences.\n";
for (const name of shipped) {
  const dir = join(here, "node_modules", name);
  const { version, license } = JSON.parse(await readFile(join(dir, "package.json"), "utf8"));
  const text = await readFile(join(dir, "LICENSE"), "utf8");
  credits += `\n==== ${name} ${version} (${license})\n\n${text.trim().replace(/\r\n/g, "\n")}\n`;
}
await writeFile(join(out, "THIRD-PARTY.txt"), credits);
