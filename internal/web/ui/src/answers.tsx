// What each version predicts, and how many of its predictions have labels.

import type { ComponentChildren } from "preact";
import { useMemo } from "preact/hooks";
import type { Arm } from "./arms";
import { count, percent } from "./format";
import { terminalPhase, type Block, type Status, type Totals } from "./types";

const shownClasses = 8;

interface Row { name: string; n: Record<string, number> }

function tally(blocks: Block[], arms: Arm[]): { rows: Row[]; sum: Record<string, number> } {
  const by = new Map<string, Row>();
  const sum: Record<string, number> = {};
  const none = () => Object.fromEntries(arms.map((a) => [a.name, 0]));
  const add = (to: Record<string, number>, arm: string, n: number) => { to[arm] = (to[arm] ?? 0) + n; };
  for (const b of blocks) {
    for (const { name: arm } of arms) {
      for (const [name, n] of Object.entries(b.arms?.[arm]?.classes ?? {})) {
        const row = by.get(name) ?? { name, n: none() };
        add(row.n, arm, n);
        add(sum, arm, n);
        by.set(name, row);
      }
    }
  }
  const all = (r: Row) => arms.reduce((n, a) => n + (r.n[a.name] ?? 0), 0);
  const rows = [...by.values()].sort((a, b) => all(b) - all(a) || a.name.localeCompare(b.name));
  if (rows.length <= shownClasses) return { rows, sum };
  const rest: Row = { name: `${rows.length - shownClasses + 1} more`, n: none() };
  for (const r of rows.slice(shownClasses - 1)) for (const a of arms) add(rest.n, a.name, r.n[a.name] ?? 0);
  return { rows: [...rows.slice(0, shownClasses - 1), rest], sum };
}

function Bar(props: { arm: Arm; share: number | null }) {
  return (
    <td>
      <div class="bar-cell">
        <span class={`bar ${props.arm.look}`} aria-hidden="true"><i style={{ width: `${100 * (props.share ?? 0)}%` }} /></span>
        <span>{percent(props.share)}</span>
      </div>
    </td>
  );
}

const capital = (s: string): string => s.charAt(0).toUpperCase() + s.slice(1);

export function Answers(props: { blocks: Block[]; arms: Arm[] }) {
  const { arms } = props;
  const { rows, sum } = useMemo(() => tally(props.blocks, arms), [props.blocks, arms]);
  const of = (r: Row, arm: string) => ((sum[arm] ?? 0) > 0 ? (r.n[arm] ?? 0) / (sum[arm] ?? 1) : null);
  return (
    <section class="panel" aria-labelledby="answers-title">
      <header class="panel-head"><h2 id="answers-title">Predicted classes</h2></header>
      {rows.length === 0 ? <p class="nothing still">No class has been read from an answer in this attempt.</p> : (
        <Wide arms={arms} name="Predicted classes">
          <thead><tr><th scope="col">Class</th>{arms.map((a) => <th key={a.name} scope="col" class={a.look}>{capital(a.name)}</th>)}</tr></thead>
          <tbody>
            {rows.map((r) => (
              <tr key={r.name}><th scope="row">{r.name}</th>{arms.map((a) => <Bar key={a.name} arm={a} share={of(r, a.name)} />)}</tr>
            ))}
          </tbody>
          <tfoot><tr><th scope="row">Predictions</th>{arms.map((a) => <td key={a.name}>{count(sum[a.name] ?? 0)}</td>)}</tr></tfoot>
        </Wide>
      )}
    </section>
  );
}

/** A table with a column for each arm, which scrolls by itself when they are many. */
function Wide(props: { arms: Arm[]; name: string; children: ComponentChildren }) {
  const table = <table class={props.arms.length > 2 ? "wide many" : "wide"}>{props.children}</table>;
  return props.arms.length > 2 ? <div class="scroll sideways" tabIndex={0} role="region" aria-label={`${props.name}, by arm`}>{table}</div> : table;
}

/** What is counted. Those that are usually nothing are shown once there is something. */
const fields: [keyof Totals, string, boolean][] = [
  ["requests", "Requests answered", true], ["errors", "of them failed", true], ["forced", "of them forced by a match", false],
  ["mirrored", "Mirrored", false], ["dropped", "Mirrors dropped", false],
  ["predicted", "Predictions read", true], ["unread", "Answers not read", true], ["labelled", "Labels back", false],
];
const byFlag: Partial<Record<keyof Totals, string>> = { requests: "Evaluations answered", labelled: "Heard of again" };

export function Counts(props: { status: Status; arms: Arm[]; flag: boolean }) {
  const { totals, workloads, labels, phase } = props.status;
  const { arms, flag } = props;
  const terminal = terminalPhase(phase);
  const of = (arm: string) => totals?.[arm];
  const shown = fields.filter(([field, , always]) => (flag ? field === "requests" : always) || arms.some((a) => (of(a.name)?.[field] ?? 0) > 0));
  const coverage = (arm: string) => {
    const c = labels?.[arm];
    if (!c || c.predicted === 0) return <>– <small>none is old enough yet</small></>;
    return <>{percent(Math.min(1, c.labelled / c.predicted))} <small>of {count(c.predicted)}</small></>;
  };
  const health = (arm: string) => {
    const h = workloads?.[arm];
    if (!h) return "–";
    const off = terminal && !h.ready && !h.failed && !h.revision; // it was ended on purpose
    const state = h.failed ? "✕ failed" : h.ready ? "✓ ready" : off ? "○ not running" : "… starting";
    return `${state}${h.restarts ? `, ${h.restarts} restarts` : ""}${h.message && !off ? `: ${h.message}` : ""}`;
  };
  return (
    <section class="panel" aria-labelledby="counts-title">
      <header class="panel-head"><h2 id="counts-title">Counted <small>since the process began</small></h2></header>
      <Wide arms={arms} name="Counted">
        <thead><tr><th scope="col"><span class="hidden">What</span></th>
          {arms.map((a) => <th key={a.name} scope="col" class={a.look}>{capital(a.name)} {a.version}</th>)}</tr></thead>
        <tbody>
          {!flag && <tr><th scope="row">Health</th>{arms.map((a) => <td key={a.name}>{health(a.name)}</td>)}</tr>}
          {shown.map(([field, name]) => (
            <tr key={field}><th scope="row">{(flag && byFlag[field]) || name}</th>{arms.map((a) => <td key={a.name}>{count(of(a.name)?.[field] ?? 0)}</td>)}</tr>
          ))}
          {labels && <tr><th scope="row">Label coverage <small>of predictions old enough</small></th>{arms.map((a) => <td key={a.name}>{coverage(a.name)}</td>)}</tr>}
        </tbody>
      </Wide>
    </section>
  );
}
