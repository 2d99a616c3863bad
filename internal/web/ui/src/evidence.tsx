// Each metric's evidence between its two bounds, block by block.

import { useMemo } from "preact/hooks";
import uPlot from "uplot";
import type { Arm } from "./arms";
import { count, difference, estimate, odds, sentence, time } from "./format";
import { Interval } from "./interval";
import { common, drawEnds, drawMarks, Plot, type Mark, type Table } from "./plot";
import type { Colours } from "./theme";
import { terminalPhase, type Block, type Decision, type MetricVerdict, type Status } from "./types";

export const verdictWords: Record<Decision, { glyph: string; word: string; tone: string }> = {
  Pass: { glyph: "✓", word: "within the margin", tone: "good" },
  Fail: { glyph: "✕", word: "worse", tone: "bad" },
  Inconclusive: { glyph: "…", word: "not enough evidence yet", tone: "wait" },
  Invalid: { glyph: "!", word: "not comparable", tone: "warn" },
  "": { glyph: "–", word: "not judged yet", tone: "wait" },
};

const kinds: Record<string, string> = {
  errorRate: "share of failed requests",
  latency: "time to answer",
  drift: "predicted answers",
  mean: "mean value",
  outcome: "wrong by later labels",
  gauge: "level of each version",
  pairs: "disagreement of mirrored pairs",
};

/**
 * A bound is drawn at ±1, so that every chart has its bounds at the same
 * height. Beyond it the scale is compressed towards 1.42, so that strong
 * evidence stays in the picture; below 1 : 1 it rests on the middle line.
 */
function height(log: number, bound: number): number {
  const x = Math.max(0, log) / Math.max(bound, 1e-9);
  return x <= 1 ? x : 1 + 0.42 * (1 - Math.exp((1 - x) / 1.2));
}

/** Where the weight changed. Those of an experiment are in its table. */
export function stepMarks(blocks: Block[], arms: Arm[]): Mark[] {
  if (arms.length > 2) return [];
  const marks: Mark[] = [];
  let last = "";
  for (const b of blocks) {
    const text = b.mirror > 0 && b.weight === 0 ? `mirror ${b.mirror}%` : `${+b.weight.toFixed(2)}%`;
    if (text !== last) marks.push({ at: Date.parse(b.start) / 1000, text });
    last = text;
  }
  return marks;
}

interface Series { data: uPlot.AlignedData; points: MetricVerdict[] }

function series(blocks: Block[], name: string): Series {
  const xs: number[] = [], up: (number | null)[] = [], down: number[] = [];
  const points: MetricVerdict[] = [];
  let stage: number | null = null;
  for (const b of blocks) {
    const m = b.verdict.metrics?.find((v) => v.name === name);
    if (!m) continue;
    if (b.verdict.stage.index !== stage) {
      // Promotion evidence begins afresh with each step; the other goes on.
      const before = down[down.length - 1] ?? 0;
      xs.push(Date.parse(b.start) / 1000 - 0.001, Date.parse(b.start) / 1000);
      up.push(null, 0);
      down.push(before, before);
      const here = points[points.length - 1] ?? m;
      points.push(here, here);
      stage = b.verdict.stage.index;
    }
    xs.push(Date.parse(b.end) / 1000);
    up.push(height(m.logPromotion, m.promotionThreshold));
    down.push(-height(m.logRollback, m.rollbackThreshold));
    points.push(m);
  }
  return { data: [xs, up, rest(down)], points };
}

/** Leaves out what rests on the middle line, which is drawn there anyway. */
function rest(ys: number[]): (number | null)[] {
  return ys.map((y, i) => (y === 0 && (ys[i - 1] ?? 0) === 0 && (ys[i + 1] ?? 0) === 0 ? null : y));
}

function zones(u: uPlot, c: Colours): void {
  const { ctx, bbox } = u;
  const at = (y: number) => u.valToPos(y, "y", true);
  ctx.save();
  ctx.fillStyle = c.promoteZone;
  ctx.fillRect(bbox.left, bbox.top, bbox.width, at(1) - bbox.top);
  ctx.fillStyle = c.rollbackZone;
  ctx.fillRect(bbox.left, at(-1), bbox.width, bbox.top + bbox.height - at(-1));
  ctx.lineWidth = devicePixelRatio;
  for (const [y, colour, dash] of [[1, c.promote, []], [-1, c.rollback, []], [0, c.line, []]] as const) {
    ctx.strokeStyle = colour;
    ctx.setLineDash([...dash]);
    ctx.beginPath();
    ctx.moveTo(bbox.left, Math.round(at(y)) + 0.5);
    ctx.lineTo(bbox.left + bbox.width, Math.round(at(y)) + 0.5);
    ctx.stroke();
  }
  ctx.restore();
}

function zoneNames(u: uPlot, c: Colours): void {
  const { ctx, bbox } = u;
  const ratio = devicePixelRatio;
  ctx.save();
  ctx.font = `600 ${10.5 * ratio}px ${c.font}`;
  ctx.textAlign = "right";
  ctx.textBaseline = "middle";
  ctx.fillStyle = c.promote;
  ctx.fillText("NO WORSE", bbox.left - 6 * ratio, bbox.top + 8 * ratio);
  ctx.fillStyle = c.rollback;
  ctx.fillText("WORSE", bbox.left - 6 * ratio, bbox.top + bbox.height - 6 * ratio);
  ctx.restore();
}

/** Odds as they stand at the end of a line, where there is little room. */
function brief(log: number): string {
  return odds(log).replace(/^under\s/, "< ");
}

function options(c: Colours, m: MetricVerdict, live: { marks: Mark[]; last: MetricVerdict | undefined }): Omit<uPlot.Options, "width" | "height"> {
  const base = common(c, 66);
  return {
    ...base,
    padding: [18, 66, 0, 0],
    scales: { x: { time: true }, y: { range: [-1.45, 1.45] } },
    axes: [base.time, {
      stroke: c.muted, font: `11px ${c.font}`, size: 64, gap: 5, grid: { show: false }, ticks: { show: false },
      splits: () => [-1, 0, 1],
      values: () => [odds(m.rollbackThreshold), odds(0).replace(".0", ""), odds(m.promotionThreshold)],
    }],
    series: [{},
      { stroke: c.promote, width: 2.25, fill: c.promoteZone, points: { show: false }, spanGaps: false },
      { stroke: c.rollback, width: 2.25, fill: c.rollbackZone, points: { show: false }, spanGaps: false },
    ],
    hooks: {
      drawClear: [(u) => zones(u, c)],
      draw: [(u) => {
        zoneNames(u, c);
        drawMarks(u, live.marks, c, true);
        const l = live.last;
        if (!l) return;
        drawEnds(u, [
          { y: height(l.logPromotion, l.promotionThreshold), text: brief(l.logPromotion), colour: c.promote },
          { y: -height(l.logRollback, l.rollbackThreshold), text: brief(l.logRollback), colour: c.rollback },
        ], c);
      }],
    },
  };
}

function table(s: Series): Table {
  const rows: string[][] = [];
  const xs = s.data[0];
  for (let i = xs.length - 1; i >= 0 && rows.length < 30; i--) {
    const m = s.points[i];
    if (!m || xs[i] === undefined || s.points[i - 1] === m) continue;
    rows.push([time((xs[i] ?? 0) * 1000), odds(m.logPromotion), odds(m.logRollback), estimate(m.stable, m.effect.unit), estimate(m.canary, m.effect.unit)]);
  }
  return { head: ["Time", "No worse", "Worse", "Stable", "Canary"], rows };
}

/** What is judged in pairs is so while requests are mirrored, everything else while users reach the canary. */
function standing(m: MetricVerdict, shadow: boolean, passed: boolean): typeof verdictWords[Decision] {
  const pairs = m.kind === "pairs";
  if (pairs === shadow || m.decision === "Fail" || m.decision === "Invalid") return verdictWords[m.decision];
  if (!pairs) return { glyph: "–", word: "judged once users reach it", tone: "wait" };
  return passed ? { glyph: "✓", word: "passed while mirrored", tone: "good" } : { glyph: "–", word: "judged while mirrored", tone: "wait" };
}

function Metric(props: { metric: MetricVerdict; blocks: Block[]; arms: Arm[]; shadow: boolean; culprit: boolean }) {
  const m = props.metric;
  const s = useMemo(() => series(props.blocks, m.name), [props.blocks, m.name]);
  const live = useMemo(() => ({ marks: [] as Mark[], last: undefined as MetricVerdict | undefined }), []);
  live.marks = useMemo(() => stepMarks(props.blocks, props.arms), [props.blocks, props.arms]);
  live.last = s.points[s.points.length - 1];
  const passed = m.kind === "pairs" && !props.shadow ? [...s.points].reverse().find((p) => p.decision === "Pass") : undefined;
  const w = standing(m, props.shadow, passed !== undefined);
  const unit = m.effect.unit;
  const summary = `Evidence on ${m.name}: ${odds(m.logPromotion)} that the canary is no worse, ${odds(m.promotionThreshold)} needed to promote; ` +
    `${odds(m.logRollback)} that it is worse, ${odds(m.rollbackThreshold)} needed to roll back. ${w.word}.`;
  return (
    <article class={props.culprit ? "metric culprit" : "metric"} aria-labelledby={`metric-${m.name}`}>
      <header>
        <h3 id={`metric-${m.name}`}>{m.name} <small>{kinds[m.kind] ?? m.kind}</small></h3>
        <span class={`chip ${w.tone}`}><span aria-hidden="true">{w.glyph}</span> {w.word}</span>
      </header>
      <Plot tall summary={summary} data={s.data} shape={`${m.name} ${m.rollbackThreshold} ${m.promotionThreshold}`}
        options={(c) => options(c, m, live)} table={() => table(s)}
        empty="The first block of evidence has not been judged yet." />
      <p class="sentence">{sentence((passed ?? m).reason) || "Nothing has been counted yet."}</p>
      {m.uncorrected && <p class="caveat"><span aria-hidden="true">!</span> Users stay on their arm, and this is judged as if they did not: the stated error rates do not hold for it.</p>}
      {m.kind === "pairs" ? <Pairs metric={m} /> : <dl class="arms">
        <div><dt class="stable">stable</dt><dd>{m.stableN > 0 ? estimate(m.stable, unit) : "–"} <small>of {count(m.stableN)}</small></dd></div>
        <div><dt class="canary">canary</dt><dd>{m.canaryN > 0 ? estimate(m.canary, unit) : "–"} <small>of {count(m.canaryN)}</small></dd></div>
        <div><dt>difference</dt><dd>{m.canaryN > 0 ? difference(m.effect.estimate, unit) : "–"}</dd></div>
      </dl>}
      <Interval metric={m} />
    </article>
  );
}

/** Mirrored pairs are of both arms at once. */
function Pairs(props: { metric: MetricVerdict }) {
  const m = props.metric;
  return (
    <dl class="arms">
      <div><dt>pairs compared</dt><dd>{count(m.canaryN)}</dd></div>
      <div><dt>of them differ</dt><dd>{m.canaryN > 0 ? estimate(m.canary, m.effect.unit) : "–"}</dd></div>
      <div><dt>allowed</dt><dd>{estimate(m.effect.margin, m.effect.unit)}</dd></div>
    </dl>
  );
}

/** How to read the charts, in the cell that the metrics leave free. */
function Reading(props: { status: Status; metrics: number; arms: number }) {
  const s = props.status;
  const factor = s.steps?.[s.step]?.factor ?? 1;
  const share = (x: number) => `${(x * 100).toLocaleString("en")}\u202f%`;
  return (
    <aside class={`reading of2-${props.metrics % 2} of3-${props.metrics % 3}`} aria-label="How to read the evidence">
      <p>Each chart is a contest of two claims. The odds are what a fair bet on a claim would have paid so far; at its bound a claim is taken as shown. In between, more traffic is needed. Beyond a bound the scale is compressed.</p>
      <p>However often anybody looks, at most {share(s.falseRollback)} of healthy {props.arms > 2 ? "arms are closed" : "rollouts are taken back"}, and a version exactly at a metric’s margin passes that metric at most {share(s.falsePromotion)} of the time.</p>
      {factor > 1 && <p>At this step the promotion margins are {factor} times as wide. The last gate uses them as written.</p>}
    </aside>
  );
}

/** The blocks until the end, and a little more: what is counted later is no evidence, and would squeeze it together. */
function untilEnd(s: Status, blocks: Block[]): Block[] {
  const end = terminalPhase(s.phase) && s.phaseBegan ? Date.parse(s.phaseBegan) : NaN;
  if (!Number.isFinite(end)) return blocks;
  const most = end + Math.max(10_000, 0.15 * (end - Date.parse(s.began ?? s.phaseBegan ?? "")));
  return blocks.filter((b) => Date.parse(b.end) <= most);
}

export function Evidence(props: { status: Status; blocks: Block[]; arms: Arm[] }) {
  const { verdict } = props.status;
  const blocks = useMemo(() => untilEnd(props.status, props.blocks), [props.blocks, props.status.phase, props.status.phaseBegan]);
  const guilty = (m: MetricVerdict) => verdict.culprits?.includes(m.name) ?? false;
  const all = verdict.metrics ?? [];
  const metrics = [...all.filter(guilty), ...all.filter((m) => !guilty(m))]; // what ended it is looked for first
  const w = verdictWords[verdict.decision];
  return (
    <section class="panel evidence" aria-labelledby="evidence-title">
      <header class="panel-head">
        <h2 id="evidence-title">Evidence{props.arms.length > 2 ? <small> of canary against stable</small> : null}</h2>
        <p class="legend">
          <span class="key promote">up: the canary is no worse</span>
          <span class="key rollback">down: the canary is worse</span>
          {props.arms.length === 2 && <span class="key mark">dotted: the weight changed</span>}
        </p>
      </header>
      <p class={`verdict ${w.tone}`}>
        <span class="glyph" aria-hidden="true">{w.glyph}</span>
        <span>{sentence(verdict.reason) || (terminalPhase(props.status.phase) ? "Nothing was compared in this attempt." : `No verdict yet. Evidence is judged from the first traffic that reaches ${props.status.canary.version || "a candidate"}.`)}</span>
      </p>
      {metrics.length > 0 ? (
        <div class="multiples">
          {metrics.map((m) => (
            <Metric key={m.name} metric={m} blocks={blocks} arms={props.arms} shadow={verdict.stage.shadow} culprit={guilty(m)} />
          ))}
          <Reading status={props.status} metrics={metrics.length} arms={props.arms.length} />
        </div>
      ) : <Reading status={props.status} metrics={0} arms={props.arms.length} />}
    </section>
  );
}
