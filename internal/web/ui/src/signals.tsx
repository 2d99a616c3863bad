// What the two versions do: failures, times, answers, labels.

import { useMemo } from "preact/hooks";
import type uPlot from "uplot";
import { estimate, percent, plain, seconds, time } from "./format";
import { stepMarks } from "./evidence";
import { common, drawEnds, drawMarks, Plot, type Mark, type Table } from "./plot";
import type { Colours } from "./theme";
import { arms, type ArmName, type Block, type BlockArm } from "./types";

interface Signal {
  key: string;
  title: string;
  note?: string;
  unit: "share" | "seconds" | "value";
  fromZero: boolean;
  /** The value after a block, given the newest blocks with it, oldest first. */
  value: (recent: BlockArm[]) => number | null;
}

const windowBlocks = 10; // shares are of so many blocks together: single blocks are too few

function newest(pick: (a: BlockArm) => number | null | undefined): Signal["value"] {
  return (recent) => {
    const last = recent[recent.length - 1];
    return last ? pick(last) ?? null : null;
  };
}

function share(hits: (a: BlockArm) => number, of: (a: BlockArm) => number): Signal["value"] {
  return (recent) => {
    let k = 0, n = 0;
    for (const a of recent) { k += hits(a); n += of(a); }
    return n > 0 ? k / n : null;
  };
}

const signals: Signal[] = [
  { key: "errors", title: "Failed requests", note: `over ${windowBlocks} blocks`, unit: "share", fromZero: true, value: share((a) => a.errors, (a) => a.requests) },
  { key: "p50", title: "Latency p50", unit: "seconds", fromZero: true, value: newest((a) => a.p50) },
  { key: "p95", title: "Latency p95", unit: "seconds", fromZero: true, value: newest((a) => a.p95) },
  { key: "p99", title: "Latency p99", unit: "seconds", fromZero: true, value: newest((a) => a.p99) },
  { key: "ttft", title: "Time to first token", note: "median", unit: "seconds", fromZero: true, value: newest((a) => a.ttft) },
  { key: "perToken", title: "Time per token", note: "median", unit: "seconds", fromZero: true, value: newest((a) => a.perToken) },
  { key: "accuracy", title: "Accuracy", note: `by the labels that came, over ${windowBlocks} blocks`, unit: "share", fromZero: false, value: share((a) => a.correct, (a) => a.labelled) },
  { key: "confidence", title: "Confidence", note: "mean", unit: "value", fromZero: false, value: newest((a) => a.confidence) },
  { key: "value", title: "Predicted value", note: "mean", unit: "value", fromZero: false, value: newest((a) => a.value) },
];

const always = new Set(["errors", "p50", "p95", "p99"]);

function columns(blocks: Block[], s: Signal): uPlot.AlignedData {
  const xs = blocks.map((b) => Date.parse(b.end) / 1000);
  const ys = arms.map((arm) => {
    const all: (BlockArm | undefined)[] = blocks.map((b) => b.arms?.[arm]);
    return all.map((_, i) => s.value(all.slice(Math.max(0, i + 1 - windowBlocks), i + 1).filter((a) => a !== undefined)));
  });
  return [xs, ...ys] as uPlot.AlignedData;
}

function last(data: uPlot.AlignedData, arm: ArmName): number | null {
  const ys = data[arms.indexOf(arm) + 1] ?? [];
  for (let i = ys.length - 1; i >= 0; i--) {
    const y = ys[i];
    if (y != null) return y;
  }
  return null;
}

function short(v: number, unit: string): string {
  return estimate(v, unit);
}

function options(c: Colours, s: Signal, live: { marks: Mark[]; data: uPlot.AlignedData }): Omit<uPlot.Options, "width" | "height"> {
  const base = common(c, 64);
  return {
    ...base,
    padding: [8, 64, 0, 0],
    scales: {
      x: { time: true },
      y: { range: (_, low, high) => {
        if (low == null || high == null) return [0, 1];
        if (s.fromZero) return [0, high > 0 ? high * 1.18 : s.unit === "share" ? 0.01 : 1];
        const pad = Math.max((high - low) * 0.25, Math.abs(high) * 0.02, 1e-6);
        return [low - pad, high + pad];
      } },
    },
    axes: [base.time, {
      stroke: c.muted, font: `11px ${c.font}`, size: 58, gap: 5, space: 34,
      grid: { stroke: c.line, width: 1 }, ticks: { show: false },
      values: (_, ticks) => ticks.map((t) => s.unit === "share" ? percent(t) : s.unit === "seconds" ? seconds(t) : plain(t)),
    }],
    series: [{},
      { stroke: c.stable, width: 1.75, dash: [6, 3], points: { show: false }, spanGaps: true },
      { stroke: c.canary, width: 2.25, points: { show: false }, spanGaps: true },
    ],
    hooks: {
      drawClear: [(u) => drawMarks(u, live.marks, c, false)],
      draw: [(u) => drawEnds(u, arms.flatMap((arm) => {
        const y = last(live.data, arm);
        return y == null ? [] : [{ y, text: short(y, s.unit), colour: arm === "stable" ? c.stable : c.canary }];
      }), c)],
    },
  };
}

function table(data: uPlot.AlignedData, s: Signal): Table {
  const rows: string[][] = [];
  for (let i = data[0].length - 1; i >= 0 && rows.length < 30; i--) {
    const of = (column: number) => {
      const v = data[column]?.[i];
      return v == null ? "–" : estimate(v, s.unit);
    };
    rows.push([time((data[0][i] ?? 0) * 1000), of(1), of(2)]);
  }
  return { head: ["Time", "Stable", "Canary"], rows };
}

function Chart(props: { signal: Signal; blocks: Block[]; marks: Mark[] }) {
  const s = props.signal;
  const data = useMemo(() => columns(props.blocks, s), [props.blocks, s]);
  const live = useMemo(() => ({ marks: props.marks, data }), []);
  live.marks = props.marks;
  live.data = data;
  const say = (arm: ArmName) => {
    const v = last(data, arm);
    return v == null ? "nothing yet" : estimate(v, s.unit);
  };
  return (
    <article class="signal" aria-labelledby={`signal-${s.key}`}>
      <h3 id={`signal-${s.key}`}>{s.title} {s.note && <small>{s.note}</small>}</h3>
      <Plot summary={`${s.title}: stable ${say("stable")}, canary ${say("canary")}.`} data={data} shape={s.key}
        options={(c) => options(c, s, live)} table={() => table(data, s)} empty="No traffic has been counted yet." />
    </article>
  );
}

export function Signals(props: { blocks: Block[] }) {
  const marks = useMemo(() => stepMarks(props.blocks), [props.blocks]);
  const shown = useMemo(() => signals.filter((s) => always.has(s.key) ||
    props.blocks.some((b) => arms.some((arm) => {
      const a = b.arms?.[arm];
      return a !== undefined && s.value([a]) != null;
    }))), [props.blocks]);
  return (
    <section class="panel" aria-labelledby="signals-title">
      <header class="panel-head">
        <h2 id="signals-title">Behaviour</h2>
        <p class="legend"><span class="key stable">stable, dashed</span><span class="key canary">canary, solid</span></p>
      </header>
      <div class="multiples small">
        {shown.map((s) => <Chart key={s.key} signal={s} blocks={props.blocks} marks={marks} />)}
      </div>
    </section>
  );
}
