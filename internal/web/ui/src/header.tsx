// The bar on top and the masthead: which rollout, which phase, what it waits for.

import { Fragment } from "preact";
import { useState } from "preact/hooks";
import { armsOf } from "./arms";
import { Controls } from "./controls";
import { duration, localTimes, sentence, time } from "./format";
import { store, useNow, type Link } from "./store";
import { choose, chosen, type Choice } from "./theme";
import { stepName } from "./traffic";
import { terminalPhase, type Hold, type Phase, type Status, type Strategy } from "./types";

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

function Connection(props: { link: Link; over: boolean }) {
  if (props.over && props.link.kind === "lost") return <span class="connection"><i aria-hidden="true" />ended</span>;
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

export function Bar(props: { link: Link; names: string[]; name: string; over: boolean }) {
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
      <Connection link={props.link} over={props.over} />
      <ThemeToggle />
    </header>
  );
}

/** "Connection lost, last seen 12 s ago, trying again": said once, counted on. */
export function Lost(props: { link: Link; over: boolean }) {
  const lost = props.link.kind === "lost" ? props.link : null;
  const now = useNow(lost !== null);
  if (!lost) return null;
  // `haldane run` ends with its rollout: nothing is wrong, and there is no more to come.
  if (props.over) {
    return <div class="notice quiet" role="status"><strong>The rollout has ended</strong> and its Haldane does not answer any more. What you see is how it ended.</div>;
  }
  const wait = Math.max(0, Math.ceil((lost.nextTry - now) / 1000));
  return (
    <div class="notice" role="alert">
      <strong>Connection lost.</strong> <span aria-hidden="true">Last seen {duration((now - lost.lastSeen) / 1000)} ago; {wait > 0 ? `trying again in ${wait}\u202fs` : "trying again"}. </span>
      <span>What you see is from then: the rollout itself goes on without this page ({lost.why}).</span>
    </div>
  );
}

/** When a rollout that is over ended. */
function ended(s: Status): number {
  const last = store.events.find((e) => e.kind === s.phase);
  return Date.parse(s.phaseBegan ?? last?.at ?? s.now);
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

/** How the phase is told: one that something holds is no progress, whatever it is called. */
export function phaseOf(s: Status): { glyph: string; word: string; tone: string } {
  if ((s.phase === "Progressing" || s.phase === "Initializing") && /^Held\b|^Waiting for .+ to confirm the \w+: /.test(s.waiting ?? "")) return { glyph: "‖", word: "Held", tone: "warn" };
  return phases[s.phase] ?? phases.Idle;
}

/** What is done with the candidate, and by what users get to it. */
function strategyName(s: Status): string {
  switch (s.strategy) {
    case "blueGreen": return "Blue-green";
    case "shadow": return "Shadow: users never see the candidate";
    case "experiment": return `Experiment with ${s.experiment?.arms.length ?? 0} arms`;
    case "canary": return s.links?.["flag"] ? "Canary by feature flag" : "Canary";
    default: return "Rollout";
  }
}

/** How the arms stand to each other. */
const between: Record<Strategy, { glyph: string; word: string }> = {
  canary: { glyph: "→", word: "to" },
  blueGreen: { glyph: "⇄", word: "to" },
  shadow: { glyph: "⇢", word: "copied to" },
  experiment: { glyph: "·", word: "and" },
};

export function Masthead(props: { status: Status; connected: boolean }) {
  const s = props.status;
  const p = phaseOf(s);
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
        <p class="strategy">{strategyName(s)}</p>
        <h1 id="title">{s.name}</h1>
        <p class="versions">
          {armsOf(s).map((a, i) => (
            <Fragment key={a.name}>
              {i > 0 && <span class="arrow" aria-label={between[s.strategy ?? "canary"].word}>{between[s.strategy ?? "canary"].glyph}</span>}
              <span class={a.look}>{a.version || "–"} <small>{a.name}</small></span>
            </Fragment>
          ))}
          {s.attempt > 1 && <span class="attempt">attempt {s.attempt}</span>}
        </p>
      </div>
      <div class="phase">
        <p class="word"><span class="lamp" aria-hidden="true">{p.glyph}</span><span>{p.word}</span></p>
        <p class="where">
          {inLadder && steps > 0 ? <>{s.step < steps ? <>step {s.step + 1} of {steps}: {stepName(s.steps?.[s.step], s)}</> : "all traffic"}</> : s.phase === "RolledBack" ? s.verdict.block > 0 ? <>taken back at step {Math.min(s.step + 1, steps)} of {steps}</> : <>taken back before anything was compared</> : null}
          {s.hold && <span class="held"><Held hold={s.hold} /></span>}
        </p>
      </div>
      <div class="waiting">
        <p>{s.waiting ? <b>{sentence(localTimes(s.waiting, s.now), ...versions)} </b> : null}{s.reason ? sentence(s.reason, ...versions) : null}</p>
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
