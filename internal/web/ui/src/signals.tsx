// What the two versions do: failures, times, answers, labels.

import { useMemo } from "preact/hooks";
import type uPlot from "uplot";
import { estimate, percent, plain, seconds, time } from "./format";
import { stepMarks } from "./evidence";
import { common, drawEnds, drawMarks, Plot, type Mark, type Table } from "./plot";
import type { Colours } from "./theme";
import { armsKey, type Arm } from "./arms";
import type { Block, BlockArm } from "./types";

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

/** Shown before there is anything in them, where requests are answered through Haldane. */
const always = new Set(["errors", "p50", "p95", "p99"]);

function Legend(props: { arms: Arm[] }) {
  if (props.arms.length === 2) return <p class="legend"><span class="key stable">stable, dashed</span><span class="key canary">canary, solid</span></p>;
  return (
    <p class="legend">
      {props.arms.map((a) => (
        <span key={a.name} class={`arm-key ${a.look}`}>
          <svg viewBox="0 0 24 4" aria-hidden="true"><line x1="0" x2="24" y1="2" y2="2" stroke-dasharray={a.dash.join(" ")} /></svg>{a.name}
        </span>
      ))}
    </p>
  );
}

function columns(blocks: Block[], s: Signal, arms: Arm[]): uPlot.AlignedData {
  const xs = blocks.map((b) => Date.parse(b.end) / 1000);
  const ys = arms.map((arm) => {
    const all: (BlockArm | undefined)[] = blocks.map((b) => b.arms?.[arm.name]);
    return all.map((_, i) => s.value(all.slice(Math.max(0, i + 1 - windowBlocks), i + 1).filter((a) => a !== undefined)));
  });
  return [xs, ...ys] as uPlot.AlignedData;
}

function last(data: uPlot.AlignedData, arm: Arm): number | null {
  const ys = data[arm.at + 1] ?? [];
  for (let i = ys.length - 1; i >= 0; i--) {
    const y = ys[i];
    if (y != null) return y;
  }
  return null;
}

function options(c: Colours, s: Signal, arms: Arm[], live: { marks: Mark[]; data: uPlot.AlignedData }): Omit<uPlot.Options, "width" | "height"> {
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
    series: [{}, ...arms.map((a) => ({
      stroke: c.arms[a.at] ?? c.ink, width: a.at === 0 ? 1.75 : 2.25, ...(a.dash.length > 0 ? { dash: a.dash } : {}), points: { show: false }, spanGaps: true,
    }))],
    hooks: {
      drawClear: [(u) => drawMarks(u, live.marks, c, false)],
      draw: [(u) => drawEnds(u, arms.flatMap((arm) => {
        const y = last(live.data, arm);
        return y == null ? [] : [{ y, text: estimate(y, s.unit), colour: c.arms[arm.at] ?? c.ink }];
      }), c)],
    },
  };
}

function table(data: uPlot.AlignedData, s: Signal, arms: Arm[]): Table {
  const rows: string[][] = [];
  for (let i = data[0].length - 1; i >= 0 && rows.length < 30; i--) {
    const of = (column: number) => {
      const v = data[column]?.[i];
      return v == null ? "–" : estimate(v, s.unit);
    };
    rows.push([time((data[0][i] ?? 0) * 1000), ...arms.map((a) => of(a.at + 1))]);
  }
  return { head: ["Time", ...arms.map((a) => a.name.charAt(0).toUpperCase() + a.name.slice(1))], rows };
}

function Chart(props: { signal: Signal; arms: Arm[]; blocks: Block[]; marks: Mark[] }) {
  const s = props.signal, { arms } = props;
  const data = useMemo(() => columns(props.blocks, s, arms), [props.blocks, s, arms]);
  const live = useMemo(() => ({ marks: props.marks, data }), []);
  live.marks = props.marks;
  live.data = data;
  const say = (arm: Arm) => {
    const v = last(data, arm);
    return `${arm.name} ${v == null ? "nothing yet" : estimate(v, s.unit)}`;
  };
  return (
    <article class="signal" aria-labelledby={`signal-${s.key}`}>
      <h3 id={`signal-${s.key}`}>{s.title} {s.note && <small>{s.note}</small>}</h3>
      <Plot summary={`${s.title}: ${arms.map(say).join(", ")}.`} data={data} shape={`${s.key} ${armsKey(arms)}`}
        options={(c) => options(c, s, arms, live)} table={() => table(data, s, arms)} empty="No traffic has been counted yet." />
    </article>
  );
}

export function Signals(props: { blocks: Block[]; arms: Arm[]; flag: boolean; shadow: boolean }) {
  const { arms, flag } = props;
  const marks = useMemo(() => stepMarks(props.blocks, arms), [props.blocks, arms]);
  const shown = useMemo(() => {
    const counted = (s: Signal) => props.blocks.some((b) => arms.some((arm) => {
      const a = b.arms?.[arm.name];
      return a !== undefined && s.value([a]) != null;
    }));
    // By flag the model runs elsewhere: how it answers is not seen here.
    return signals.filter((s) => always.has(s.key) ? !flag : counted(s));
  }, [props.blocks, arms, flag]);
  if (shown.length === 0) return null;
  return (
    <section class="panel" aria-labelledby="signals-title">
      <header class="panel-head">
        <h2 id="signals-title">Behaviour</h2>
        {props.shadow ? <p class="legend">of users’ requests; the answers to copies are in the pairs above</p> : <Legend arms={arms} />}
      </header>
      <div class="multiples small">
        {shown.map((s) => <Chart key={s.key} signal={s} arms={arms} blocks={props.blocks} marks={marks} />)}
      </div>
    </section>
  );
}
