// The bar on top and the masthead: which rollout, which phase, what it waits for.

import { useState } from "preact/hooks";
import { Controls } from "./controls";
import { duration, sentence, time } from "./format";
import { store, useNow, type Link } from "./store";
import { choose, chosen, type Choice } from "./theme";
import { stepName } from "./traffic";
import { terminalPhase, type Hold, type Phase, type Status } from "./types";

export const phases: Record<Phase, { glyph: string; word: string; tone: string }> = {
  Idle: { glyph: "○", word: "Idle", tone: "wait" },
  Initializing: { glyph: "◔", word: "Starting", tone: "wait" },
  Progressing: { glyph: "▲", word: "Progressing", tone: "live" },
  Paused: { glyph: "‖", word: "Paused", tone: "warn" },
  Promoting: { glyph: "▲", word: "Promoting", tone: "good" },
  Promoted: { glyph: "✓", word: "Promoted", tone: "good" },
  Completing: { glyph: "▼", word: "Completing", tone: "good" },
  Completed: { glyph: "✓", word: "Completed", tone: "good" },
  RollingBack: { glyph: "▼", word: "Rolling back", tone: "bad" },
  RolledBack: { glyph: "✕", word: "Rolled back", tone: "bad" },
};

function Connection(props: { link: Link }) {
  const text = { connecting: "connecting", live: "live", lost: "connection lost", token: "locked" }[props.link.kind];
  return <span class={`connection ${props.link.kind}`}><i aria-hidden="true" />{text}</span>;
}

function ThemeToggle() {
  const [now, set] = useState<Choice>(chosen());
  const next: Record<Choice, Choice> = { auto: "light", light: "dark", dark: "auto" };
  const glyph = { auto: "◐", light: "☀", dark: "☾" }[now];
  return (
    <button type="button" class="theme" onClick={() => { choose(next[now]); set(next[now]); }}
      aria-label={`Theme: ${now}. Change to ${next[now]}.`} title={`Theme: ${now}`}>
      <span aria-hidden="true">{glyph}</span> <span aria-hidden="true" class="theme-word">{now}</span>
    </button>
  );
}

export function Bar(props: { link: Link; names: string[]; name: string }) {
  return (
    <header class="top">
      <a class="skip" href="#main" onClick={(e) => { e.preventDefault(); document.getElementById("main")?.focus(); }}>Skip to the rollout</a>
      <span class="brand">
        <svg viewBox="0 0 32 32" aria-hidden="true"><path class="bounds" d="M4 7h24M4 25h24" /><path class="trace" d="M4 19c4 0 5-1 7-3s4 2 7-2 4-7 8-8" /><circle cx="26" cy="6" r="2.8" /></svg>
        Haldane
      </span>
      {props.names.length > 1 && (
        <label class="which"><span class="hidden">Rollout</span>
          <select value={props.name} onChange={(e) => { location.hash = `/${encodeURIComponent(e.currentTarget.value)}`; store.choose(e.currentTarget.value); }}>
            {props.names.map((n) => <option key={n} value={n}>{n}</option>)}
          </select>
        </label>
      )}
      <span class="space" />
      <Connection link={props.link} />
      <ThemeToggle />
    </header>
  );
}

/** "Connection lost, last seen 12 s ago, trying again": said once, counted on. */
export function Lost(props: { link: Link }) {
  const lost = props.link.kind === "lost" ? props.link : null;
  const now = useNow(lost !== null);
  if (!lost) return null;
  const wait = Math.max(0, Math.ceil((lost.nextTry - now) / 1000));
  return (
    <div class="notice" role="alert">
      <strong>Connection lost.</strong> <span aria-hidden="true">Last seen {duration((now - lost.lastSeen) / 1000)} ago; {wait > 0 ? `trying again in ${wait}\u202fs` : "trying again"}. </span>
      <span>What you see is from then: the rollout itself goes on without this page ({lost.why}).</span>
    </div>
  );
}

/** When a rollout that is over ended: its last event says so. */
function ended(s: Status): number {
  const last = store.events.find((e) => e.kind === s.phase);
  return Date.parse(last?.at ?? s.now);
}

/** Who or what holds a paused rollout. */
function Held(props: { hold: Hold }) {
  const h = props.hold;
  switch (h.kind) {
    case "deadline": return <>held at its deadline, undecided</>;
    case "person": return <>paused by {h.by || "somebody"}{h.since ? ` since ${time(h.since)}` : ""}</>;
    case "step": return <>{h.until ? `goes on at ${time(h.until)}` : "waits for a person: promote goes on"}</>;
  }
}

/** What hooks, checks and guardrails hold it for, beside what it says it waits for. */
function standing(s: Status): string[] {
  const told = `${s.waiting ?? ""}${s.reason ?? ""}`;
  return (s.signals ?? []).filter((x) => x.effect !== "Warn" && !told.includes(x.message)).map((x) => `${x.name}: ${x.message}`);
}

export function Masthead(props: { status: Status; connected: boolean }) {
  const s = props.status;
  const p = phases[s.phase] ?? phases.Idle;
  const now = useNow(props.connected);
  const terminal = terminalPhase(s.phase);
  const until = terminal ? ended(s) : Math.max(now, Date.parse(s.now));
  const began = s.began ? Date.parse(s.began) : NaN;
  const left = s.deadline && !terminal ? Date.parse(s.deadline) - until : NaN;
  const versions = [s.stable.version, s.canary.version];
  const steps = s.steps?.length ?? 0;
  const warned = [...standing(s), ...s.warnings ?? []];
  const inLadder = s.phase === "Progressing" || s.phase === "Paused" || s.phase === "Promoting";
  return (
    <section class={`masthead ${p.tone}`} aria-labelledby="title">
      <div class="what">
        <h1 id="title">{s.name}</h1>
        <p class="versions">
          <span class="stable">{s.stable.version || "–"} <small>stable</small></span>
          <span class="arrow" aria-label="to">→</span>
          <span class="canary">{s.canary.version || "–"} <small>canary</small></span>
          {s.attempt > 1 && <span class="attempt">attempt {s.attempt}</span>}
        </p>
      </div>
      <div class="phase">
        <p class="word"><span class="lamp" aria-hidden="true">{p.glyph}</span><span>{p.word}</span></p>
        <p class="where">
          {inLadder && steps > 0 ? <>{s.step < steps ? <>step {s.step + 1} of {steps}: {stepName(s.steps?.[s.step])}</> : "all traffic"}</> : s.phase === "RolledBack" ? <>taken back at step {Math.min(s.step + 1, steps)} of {steps}</> : null}
          {s.hold && <span class="held"><Held hold={s.hold} /></span>}
        </p>
      </div>
      <div class="waiting">
        <p>{s.waiting ? <b>{sentence(s.waiting, ...versions)} </b> : null}{s.reason ? sentence(s.reason, ...versions) : null}</p>
        <p class="times">
          {Number.isFinite(began) && <span>{terminal ? "took" : "running for"} {duration((until - began) / 1000)}</span>}
          {Number.isFinite(left) && <span>{left > 0 ? `deadline in ${duration(left / 1000)}` : "deadline passed"}</span>}
        </p>
      </div>
      <Controls status={s} connected={props.connected} />
      {warned.length > 0 && (
        <ul class="warnings" aria-label="Warnings">{warned.map((w) => <li key={w}><span aria-hidden="true">!</span> {sentence(w)}</li>)}</ul>
      )}
    </section>
  );
}
