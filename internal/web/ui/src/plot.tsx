// One chart: uPlot for the eye, a sentence and a table for everybody else.

import { useEffect, useRef } from "preact/hooks";
import type { ComponentChildren } from "preact";
import uPlot from "uplot";
import { colours, useThemeVersion, type Colours } from "./theme";

export interface Table { head: string[]; rows: string[][] }

interface Props {
  /** What the chart shows and says at present, in a sentence. */
  summary: string;
  data: uPlot.AlignedData;
  /** Builds the options anew when the theme or shape changes. */
  options: (c: Colours) => Omit<uPlot.Options, "width" | "height">;
  /** Changes when the series or bounds do. */
  shape: string;
  table: () => Table;
  /** Shown in place of the drawing while there is nothing to draw. */
  empty?: ComponentChildren;
  tall?: boolean;
}

export function Plot(props: Props) {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const version = useThemeVersion();
  const has = props.data.slice(1).some((ys) => ys && Array.from(ys).some((y) => y != null));
  const latest = useRef(props);
  latest.current = props;

  useEffect(() => {
    const el = box.current;
    if (!el || !has) return;
    const size = () => ({ width: Math.max(el.clientWidth, 120), height: Math.max(el.clientHeight, 80) });
    const u = new uPlot({ ...latest.current.options(colours()), ...size() }, latest.current.data, el);
    plot.current = u;
    const watch = new ResizeObserver(() => {
      const s = size();
      if (s.width !== u.width || s.height !== u.height) u.setSize(s);
    });
    watch.observe(el);
    return () => { watch.disconnect(); u.destroy(); plot.current = null; };
  }, [version, props.shape, has]);

  useEffect(() => plot.current?.setData(props.data), [props.data]);

  return (
    <>
      <div class={props.tall ? "plot tall" : "plot"} role="img" aria-label={props.summary}>
        <div class="canvas" ref={box} aria-hidden="true" />
        {!has && <p class="nothing">{props.empty ?? "No figures yet."}</p>}
      </div>
      <Figures name={props.summary.split(":")[0] ?? ""} table={props.table} />
    </>
  );
}

/** The same figures as a table, filled only while it is open. */
function Figures(props: { name: string; table: () => Table }) {
  return (
    <details class="figures" onToggle={(e) => {
      const d = e.currentTarget;
      fill(d, d.open ? props.table() : { head: [], rows: [] });
    }}>
      <summary>Figures<span class="hidden"> of {props.name}</span></summary>
      <div class="scroll" tabIndex={0} role="region" aria-label={`Figures of ${props.name}`} />
    </details>
  );
}

function fill(details: HTMLDetailsElement, t: Table): void {
  const table = document.createElement("table");
  const row = (cells: string[], tag: "th" | "td") => {
    const tr = table.insertRow();
    for (const text of cells) {
      const cell = document.createElement(tag);
      cell.textContent = text;
      if (tag === "th") cell.setAttribute("scope", "col");
      tr.append(cell);
    }
  };
  row(t.head, "th");
  for (const r of t.rows) row(r, "td");
  details.querySelector(".scroll")?.replaceChildren(table);
}

/** Ticks as the clock tells them, with seconds when the stretch is short. */
export function clockTicks(_: uPlot, ticks: number[]): string[] {
  const first = ticks[0] ?? 0;
  const short = (ticks[ticks.length - 1] ?? 0) - first < 600;
  return ticks.map((t) => new Date(t * 1000).toLocaleTimeString("en-GB", short
    ? { hour: "2-digit", minute: "2-digit", second: "2-digit" }
    : { hour: "2-digit", minute: "2-digit" }));
}

/** Axes and cursor that all charts have in common. */
export function common(c: Colours, right: number): Pick<uPlot.Options, "legend" | "cursor" | "padding"> & { time: uPlot.Axis } {
  return {
    legend: { show: false },
    padding: [6, right, 0, 0],
    cursor: {
      sync: { key: "time" }, drag: { x: false, y: false }, y: false,
      points: { size: 6, width: 1.5, fill: c.panel },
    },
    time: {
      stroke: c.muted, font: `11px ${c.font}`, size: 26, gap: 4, space: 84,
      values: clockTicks, grid: { show: false }, ticks: { stroke: c.line, width: 1, size: 4 },
      incrs: [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400],
    },
  };
}

export interface Mark { at: number; text: string }

/** Draws where the weight changed: a hairline and the new weight above. */
export function drawMarks(u: uPlot, marks: Mark[], c: Colours, label: boolean): void {
  const { ctx } = u;
  const ratio = devicePixelRatio;
  ctx.save();
  ctx.strokeStyle = c.muted;
  ctx.fillStyle = c.muted;
  ctx.lineWidth = ratio;
  ctx.font = `${11 * ratio}px ${c.font}`;
  ctx.textAlign = "left";
  ctx.textBaseline = "bottom";
  const seen = marks.map((m) => ({ ...m, x: Math.round(u.valToPos(m.at, "x", true)) }))
    .filter((m) => m.x >= u.bbox.left - 1 && m.x <= u.bbox.left + u.bbox.width + 1);
  for (const [i, m] of seen.entries()) {
    const x = m.x;
    ctx.globalAlpha = 0.55;
    ctx.setLineDash([2 * ratio, 3 * ratio]);
    ctx.beginPath();
    ctx.moveTo(x, u.bbox.top - (label ? 3 * ratio : 0));
    ctx.lineTo(x, u.bbox.top + u.bbox.height);
    ctx.stroke();
    ctx.globalAlpha = 1;
    // Of weights that followed each other too quickly to be told, the last is.
    const room = (seen[i + 1]?.x ?? Infinity) - x;
    if (label && ctx.measureText(m.text).width + 6 * ratio < room) ctx.fillText(m.text, x, u.bbox.top - 4 * ratio);
  }
  ctx.restore();
}

export interface EndLabel { y: number; text: string; colour: string }

/** Writes each line's name or value at its end, moved apart where they collide. */
export function drawEnds(u: uPlot, labels: EndLabel[], c: Colours): void {
  const { ctx } = u;
  const ratio = devicePixelRatio;
  const height = 14 * ratio;
  const low = u.bbox.top + 6 * ratio, high = u.bbox.top + u.bbox.height - 4 * ratio;
  const within = (at: number) => Math.min(Math.max(at, low), high);
  const placed = labels.map((l) => ({ ...l, at: within(u.valToPos(l.y, "y", true)) })).sort((a, b) => a.at - b.at);
  const room = Math.min(height, (high - low) / Math.max(placed.length - 1, 1)); // many arms share what there is
  for (let round = 0, moved = true; moved && round < 40; round++) {
    moved = false;
    for (let i = 1; i < placed.length; i++) {
      const above = placed[i - 1], here = placed[i];
      if (!above || !here || here.at - above.at >= room - 0.5) continue;
      const middle = Math.min(Math.max((here.at + above.at) / 2, low + room / 2), high - room / 2);
      above.at = middle - room / 2;
      here.at = middle + room / 2;
      moved = true;
    }
  }
  ctx.save();
  ctx.font = `600 ${11.5 * ratio}px ${c.font}`;
  ctx.textAlign = "left";
  ctx.textBaseline = "middle";
  for (const l of placed) {
    ctx.fillStyle = l.colour;
    ctx.fillText(l.text, u.bbox.left + u.bbox.width + 7 * ratio, l.at);
  }
  ctx.restore();
}
