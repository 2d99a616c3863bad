// What has a say beside the evidence: guardrails, anomalies, checks, hooks, a switch.

import { plain, sentence } from "./format";
import type { Status, Watch } from "./types";
import { terminalPhase } from "./types";

const kinds: Record<Watch["kind"], string> = {
  guardrail: "guardrail", anomaly: "anomaly", check: "check", hook: "hook", switch: "switch",
};

const states: Record<Watch["state"], { glyph: string; tone: string; word: (w: Watch) => string }> = {
  Passing: { glyph: "✓", tone: "good", word: (w) => ({ guardrail: "within limits", anomaly: "as before", check: "passes", hook: "lets it go on", switch: "lets it go on" })[w.kind] },
  Failing: { glyph: "✕", tone: "bad", word: (w) => ({ guardrail: "outside limits", anomaly: "has changed", check: "fails", hook: "says no", switch: "says no" })[w.kind] },
  Unknown: { glyph: "…", tone: "wait", word: () => "not known" },
};

const acts = { Rollback: "takes the candidate back", Hold: "holds the rollout", Warn: "warns" } as const;

/** What it does and when, in a few words. */
function rule(w: Watch): string {
  const what = w.effect ? (w.dryRun ? `dry run: would ${acts[w.effect].replace(/^(\w+)s /, "$1 ").replace(/^warns$/, "warn")}` : acts[w.effect]) : "";
  return [w.rule, what].filter(Boolean).join(": ");
}

/** A number between its limits: where it lies, and how near it is. */
function Meter(props: { watch: Watch }) {
  const { value, min, max } = props.watch;
  if (value === undefined || (min === undefined && max === undefined)) return null;
  const low = min ?? Math.min(0, value), high = max ?? Math.max(value, min ?? 0) * 1.25;
  const room = (high - low || 1) * 0.2;
  const from = min === undefined ? low : low - room, to = max === undefined ? high : Math.max(high + room, value * 1.04);
  const at = (x: number) => 100 * Math.max(0, Math.min(1, (x - from) / (to - from || 1)));
  return (
    <span class="meter" aria-hidden="true">
      {min !== undefined && <i class="outside" style={{ left: 0, width: `${at(min)}%` }} />}
      {max !== undefined && <i class="outside" style={{ left: `${at(max)}%`, right: 0 }} />}
      <i class="needle" style={{ left: `${at(value)}%` }} />
    </span>
  );
}

function Limits(props: { watch: Watch }) {
  const { min, max } = props.watch;
  const said = [min !== undefined ? `min ${plain(min)}` : "", max !== undefined ? `max ${plain(max)}` : ""].filter(Boolean).join(", ");
  return said ? <small>{said}</small> : null;
}

function Row(props: { watch: Watch; over: boolean }) {
  const w = props.watch;
  const s = states[w.state] ?? states.Unknown;
  const dry = w.dryRun && w.state === "Failing";
  const tone = dry ? "warn" : w.kind === "hook" && w.state === "Failing" && w.effect === "Hold" ? "warn" : s.tone;
  return (
    <li class={`watch ${tone}`}>
      <p class="name"><b>{w.name}</b> <small>{kinds[w.kind] ?? w.kind}</small></p>
      <p class="state"><span class={`chip ${tone}`}><span aria-hidden="true">{s.glyph}</span> {s.word(w)}</span></p>
      <p class="number">{w.value !== undefined && <b>{plain(w.value)}</b>} <Limits watch={w} /><Meter watch={w} /></p>
      <p class="says">{w.says && !(w.state === "Passing" && (w.kind === "guardrail" || w.kind === "check")) ? sentence(w.says) : ""} <small>{props.over ? "" : sentence(rule(w))}</small></p>
    </li>
  );
}

const rank: Record<Watch["state"], number> = { Failing: 0, Unknown: 1, Passing: 2 };

export function Watches(props: { status: Status }) {
  const all = props.status.watches ?? [];
  if (all.length === 0) return null;
  const over = terminalPhase(props.status.phase);
  const bad = all.filter((w) => w.state === "Failing").length;
  const sorted = [...all].sort((a, b) => rank[a.state] - rank[b.state]); // what is wrong is looked for first
  return (
    <section class="panel watches" aria-labelledby="watches-title">
      <header class="panel-head">
        <h2 id="watches-title">Limits, checks and gates</h2>
        <p class="legend">{over ? "as they stood last" : bad > 0 ? `${bad} of ${all.length} against going on` : "beside the evidence, each by itself"}</p>
      </header>
      <ul>{sorted.map((w) => <Row key={`${w.kind} ${w.name}`} watch={w} over={over} />)}</ul>
    </section>
  );
}
