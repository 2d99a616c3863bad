// Where the traffic goes: wanted, reported, measured, and the ladder of steps.

import { count, nanoseconds, percent, weight } from "./format";
import { terminalPhase, type Block, type Status, type Step } from "./types";

/** What people call a step; a switch of blue-green is named by what it is for. */
export function stepName(s: Step | undefined, of?: Status): string {
  if (!s) return "–";
  if (of?.strategy === "blueGreen" && s.weight && !s.preview) {
    return s.weight < 10_000 || s.for ? `bake at ${weight(s.weight)}${s.for ? ` for ${nanoseconds(s.for)}` : ""}` : `${weight(s.weight)}, for good`;
  }
  if (of?.strategy === "experiment" && s.weight) return "compare the arms";
  if (s.pause) return s.pause.for ? `pause ${nanoseconds(s.pause.for)}` : "approval";
  const least = s.for ? ` for ${nanoseconds(s.for)}` : "";
  if (s.preview) return (s.shadow ? `preview, mirror ${weight(s.shadow)}` : "preview") + least;
  return (s.shadow ? `mirror ${weight(s.shadow)}` : weight(s.weight)) + least;
}

const levels: Record<string, string> = {
  Flowing: "measured",
  Accepted: "accepted",
  Written: "not confirmed",
  Unknown: "not known",
  "": "not known",
};

/** What really went to the canary in the last block. */
function measured(b: Block | undefined): { share: number; n: number } | null {
  const c = b?.arms?.canary?.requests ?? 0, s = b?.arms?.stable?.requests ?? 0;
  return c + s > 0 ? { share: c / (c + s), n: c + s } : null;
}

export function Traffic(props: { status: Status; blocks: Block[] }) {
  const s = props.status;
  const wanted = s.wanted.canary / 100;
  const seen = measured(props.blocks[props.blocks.length - 1]);
  const terminal = terminalPhase(s.phase);
  const observed = s.observed.canary / 100;
  const ticks = [...new Set((s.steps ?? []).map((step) => (step.weight ?? 0) / 100).filter((w) => w > 0 && w < 100))];
  return (
    <section class="panel traffic" aria-labelledby="traffic-title">
      <header class="panel-head"><h2 id="traffic-title">Traffic</h2></header>
      <div class="gauge" role="img"
        aria-label={`Traffic: ${weight(s.wanted.canary)} wanted on the canary, ${weight(s.observed.canary)} observed.`}>
        <div class="ends" aria-hidden="true"><span class="canary">canary {s.canary.version}</span><span class="stable">stable {s.stable.version}</span></div>
        <div class="track" aria-hidden="true">
          <i class="fill" style={{ transform: `scaleX(${observed / 100})` }} />
          {ticks.map((t) => <i key={t} class="tick" style={{ left: `${t}%` }} />)}
          <i class="wanted" style={{ left: `${wanted}%` }} />
        </div>
        <div class="scale" aria-hidden="true"><span>0</span>{ticks.map((t) => <span key={t} style={{ left: `${t}%` }}>{t}</span>)}<span style={{ left: "100%" }}>100{"\u202f"}%</span></div>
      </div>
      <dl class="readings">
        <div><dt>Wanted</dt><dd>{weight(s.wanted.canary)}{s.wanted.mirror ? <small>and {weight(s.wanted.mirror)} copied</small> : null}</dd></div>
        <div><dt>Observed</dt><dd>{weight(s.observed.canary)} <small>{s.observed.mirror ? `and ${weight(s.observed.mirror)} copied, ` : ""}{levels[s.observed.level] ?? s.observed.level}</small></dd></div>
        <div><dt>Last block</dt><dd>{!terminal && seen ? percent(seen.share) : "–"} <small>{!terminal && seen ? `of ${count(seen.n)} requests` : ""}</small></dd></div>
      </dl>
      <Ladder status={s} />
    </section>
  );
}

function Ladder(props: { status: Status }) {
  const s = props.status;
  const steps = s.steps ?? [];
  if (steps.length === 0) return null;
  const state = (i: number): "done" | "now" | "ahead" | "failed" => {
    if (s.phase === "Promoted" || s.phase === "Completing" || s.phase === "Completed") return "done";
    if (s.phase === "RolledBack" || s.phase === "RollingBack") return i < s.step ? "done" : i === s.step && s.verdict.block > 0 ? "failed" : "ahead";
    if (s.phase === "Idle" || s.phase === "Initializing") return "ahead";
    return i < s.step ? "done" : i === s.step ? "now" : "ahead";
  };
  const words = { done: "passed", now: "now", ahead: terminalPhase(s.phase) ? "not reached" : "ahead", failed: "taken back here" };
  const glyph = { done: "✓", now: "●", ahead: "○", failed: "✕" };
  return (
    <ol class="ladder" aria-label="Steps">
      {steps.map((step, i) => (
        <li key={i} class={state(i)} aria-current={state(i) === "now" ? "step" : undefined}>
          <span class="rung" aria-hidden="true">{glyph[state(i)]}</span>
          <span class="name">{stepName(step, s)}</span>
          <span class="state">{words[state(i)]}</span>
        </li>
      ))}
    </ol>
  );
}
