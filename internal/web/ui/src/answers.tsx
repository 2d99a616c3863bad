// What each version predicts, and how many of its predictions have labels.

import { useMemo } from "preact/hooks";
import { count, percent } from "./format";
import { arms, terminalPhase, type ArmName, type Block, type Status, type Totals } from "./types";

const shownClasses = 8;

interface Row { name: string; n: Record<ArmName, number> }

function tally(blocks: Block[]): { rows: Row[]; sum: Record<ArmName, number> } {
  const by = new Map<string, Row>();
  const sum = { stable: 0, canary: 0 };
  for (const b of blocks) {
    for (const arm of arms) {
      for (const [name, n] of Object.entries(b.arms?.[arm]?.classes ?? {})) {
        const row = by.get(name) ?? { name, n: { stable: 0, canary: 0 } };
        row.n[arm] += n;
        sum[arm] += n;
        by.set(name, row);
      }
    }
  }
  const rows = [...by.values()].sort((a, b) => b.n.stable + b.n.canary - a.n.stable - a.n.canary || a.name.localeCompare(b.name));
  if (rows.length <= shownClasses) return { rows, sum };
  const rest: Row = { name: `${rows.length - shownClasses + 1} more`, n: { stable: 0, canary: 0 } };
  for (const r of rows.slice(shownClasses - 1)) for (const arm of arms) rest.n[arm] += r.n[arm];
  return { rows: [...rows.slice(0, shownClasses - 1), rest], sum };
}

function Bar(props: { arm: ArmName; share: number | null }) {
  return (
    <td>
      <div class="bar-cell">
        <span class={`bar ${props.arm}`} aria-hidden="true"><i style={{ width: `${100 * (props.share ?? 0)}%` }} /></span>
        <span>{percent(props.share)}</span>
      </div>
    </td>
  );
}

export function Answers(props: { blocks: Block[] }) {
  const { rows, sum } = useMemo(() => tally(props.blocks), [props.blocks]);
  const of = (r: Row, arm: ArmName) => (sum[arm] > 0 ? r.n[arm] / sum[arm] : null);
  return (
    <section class="panel" aria-labelledby="answers-title">
      <header class="panel-head"><h2 id="answers-title">Predicted classes</h2></header>
      {rows.length === 0 ? <p class="nothing still">No class has been read from an answer in this attempt.</p> : (
        <table class="wide">
          <thead><tr><th scope="col">Class</th><th scope="col" class="stable">Stable</th><th scope="col" class="canary">Canary</th></tr></thead>
          <tbody>
            {rows.map((r) => (
              <tr key={r.name}><th scope="row">{r.name}</th><Bar arm="stable" share={of(r, "stable")} /><Bar arm="canary" share={of(r, "canary")} /></tr>
            ))}
          </tbody>
          <tfoot><tr><th scope="row">Predictions</th><td>{count(sum.stable)}</td><td>{count(sum.canary)}</td></tr></tfoot>
        </table>
      )}
    </section>
  );
}

const fields: [keyof Totals, string][] = [
  ["requests", "Requests answered"], ["errors", "of them failed"], ["forced", "of them forced by a match"],
  ["mirrored", "Mirrored"], ["dropped", "Mirrors dropped"],
  ["predicted", "Predictions read"], ["unread", "Answers not read"], ["labelled", "Labels back"],
];

export function Counts(props: { status: Status }) {
  const { totals, workloads, labels, phase } = props.status;
  const terminal = terminalPhase(phase);
  const of = (arm: ArmName) => totals?.[arm];
  const coverage = (arm: ArmName) => {
    const c = labels?.[arm];
    return c && c.predicted > 0 ? <>{percent(Math.min(1, c.labelled / c.predicted))} <small>of {count(c.predicted)}</small></> : "–";
  };
  const health = (arm: ArmName) => {
    const h = workloads?.[arm];
    if (!h) return "–";
    const off = terminal && !h.ready && !h.failed && !h.revision; // it was ended on purpose
    const state = h.failed ? "✕ failed" : h.ready ? "✓ ready" : off ? "○ not running" : "… starting";
    return `${state}${h.restarts ? `, ${h.restarts} restarts` : ""}${h.message && !off ? `: ${h.message}` : ""}`;
  };
  return (
    <section class="panel" aria-labelledby="counts-title">
      <header class="panel-head"><h2 id="counts-title">Counted <small>since the process began</small></h2></header>
      <table class="wide">
        <thead><tr><th scope="col"><span class="hidden">What</span></th>
          <th scope="col" class="stable">Stable {props.status.stable.version}</th><th scope="col" class="canary">Canary {props.status.canary.version}</th></tr></thead>
        <tbody>
          <tr><th scope="row">Health</th><td>{health("stable")}</td><td>{health("canary")}</td></tr>
          {fields.map(([field, name]) => (
            <tr key={field}><th scope="row">{name}</th><td>{count(of("stable")?.[field] ?? 0)}</td><td>{count(of("canary")?.[field] ?? 0)}</td></tr>
          ))}
          <tr><th scope="row">Label coverage <small>of predictions old enough</small></th><td>{coverage("stable")}</td><td>{coverage("canary")}</td></tr>
        </tbody>
      </table>
    </section>
  );
}
