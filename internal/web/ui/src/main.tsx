// The dashboard: one page that shows one rollout as it happens.

import { render } from "preact";
import { useEffect, useMemo, useState } from "preact/hooks";
import { Answers, Counts } from "./answers";
import { armsKey, armsOf } from "./arms";
import { Evidence } from "./evidence";
import { Experiment } from "./experiment";
import { sentence } from "./format";
import { Bar, Lost, Masthead, phaseOf } from "./header";
import { Log } from "./log";
import { Signals } from "./signals";
import { store, useStore, type Link } from "./store";
import { stepName, Traffic } from "./traffic";
import { terminalPhase, type Status } from "./types";
import { Watches } from "./watches";

/** What a screen reader is told of: the phase, the step and the decision. */
function announcement(s: Status): string {
  const step = s.phase === "Progressing" || s.phase === "Paused" ? `, step ${s.step + 1} of ${s.steps?.length ?? 0}, ${stepName(s.steps?.[s.step], s)}` : "";
  return `${s.name}: ${phaseOf(s).word}${step}. ${s.verdict.decision === "" ? "" : `Verdict: ${s.verdict.decision}.`}`;
}

function Rollout(props: { status: Status; link: Link }) {
  const { status } = props;
  const blocks = store.blocks();
  const words = announcement(status);
  const lost = props.link.kind === "lost" && !terminalPhase(status.phase);
  useEffect(() => {
    const p = phaseOf(status);
    document.title = `${lost ? "⚠ connection lost, was " : ""}${p.glyph} ${status.name}: ${p.word} – Haldane`;
  }, [phaseOf(status).word, status.name, lost]);
  const said = useMemo(() => words, [words]);
  const now = armsOf(status);
  const arms = useMemo(() => now, [armsKey(now)]);
  const flag = status.links?.["flag"] !== undefined;
  return (
    <>
      <Masthead status={status} connected={props.link.kind === "live"} />
      <p class="hidden" aria-live="polite" id="announcement">{said}</p>
      {arms.length > 2 ? null : <Traffic status={status} blocks={blocks} />}
      <Experiment view={status.experiment} arms={arms} />
      <Watches status={status} />
      <Evidence status={status} blocks={blocks} arms={arms} />
      <Signals blocks={blocks} arms={arms} flag={flag} shadow={status.strategy === "shadow"} />
      <div class={`thirds ${flag ? "two" : arms.length > 2 ? "many" : ""}`}>
        {!flag && <Answers blocks={blocks} arms={arms} />}
        <Counts status={status} arms={arms} flag={flag} />
        <Log events={store.events} stable={status.stable.version} />
      </div>
    </>
  );
}

function Token(props: { refusedOnce: boolean }) {
  const [value, set] = useState("");
  return (
    <form class="card" onSubmit={(e) => { e.preventDefault(); if (value.trim()) store.useToken(value.trim()); }}>
      <h1>This Haldane asks for its token</h1>
      <p>It listens beyond this machine. The token is the one it was started with; it stays in this tab until you close it.</p>
      <label>Token <input type="password" autocomplete="current-password" value={value} onInput={(e) => set(e.currentTarget.value)} required /></label>
      <p class="said bad" role="status">{props.refusedOnce ? "That token was refused." : ""}</p>
      <button type="submit" class="strong">Open the dashboard</button>
    </form>
  );
}

function Empty() {
  return (
    <div class="card">
      <h1>No rollout yet</h1>
      <p>Nothing is being rolled out by this process. Start one, and it appears here by itself:</p>
      <pre><code>haldane run -f rollout.yaml{"\n"}haldane demo</code></pre>
    </div>
  );
}

function Opening() {
  return <div class="card quiet"><p>Looking for rollouts…</p></div>;
}

function App() {
  const { link, names, name, status } = useStore();
  const over = status !== null && terminalPhase(status.phase);
  const page = link.kind === "token" ? <Token refusedOnce={link.refusedOnce} />
    : status ? <Rollout key={status.name} status={status} link={link} />
    : names !== null && name === "" ? <Empty /> : <Opening />;
  return (
    <>
      <Bar link={link} names={names ?? []} name={name} over={over} />
      <Lost link={link} over={over} />
      <main id="main" tabIndex={-1} class={link.kind === "lost" && !over ? "stale" : ""}>{page}</main>
      <footer>
        {status?.links && Object.entries(status.links).map(([what, href]) => /^https?:/.test(href)
          ? <span key={what}>{what} <a href={href} rel="noreferrer">{href.replace(/^https?:\/\//, "")}</a></span> : null)}
        <span>{status ? sentence(`attempt ${status.attempt}, ${status.mode} mode`) : ""}</span>
        <a href="THIRD-PARTY.txt">Licences</a>
      </footer>
    </>
  );
}

addEventListener("hashchange", () => {
  const name = decodeURIComponent(location.hash.replace(/^#\/?/, ""));
  if (name && store.names?.includes(name)) store.choose(name);
});
const root = document.getElementById("app");
if (root) render(<App />, root);
store.start();
