// How the arms of an experiment compare by its goal.

import type { Arm } from "./arms";
import { count, difference, estimate, nanoseconds, percent, sentence } from "./format";
import { verdictWords } from "./evidence";
import type { Experiment as View, Pair, Trial } from "./types";

const width = 320, height = 24, mid = height / 2;

/** A scale for all intervals, so that they can be compared by eye; those of closed arms do not stretch it. */
function reachOf(x: View): number {
  const closed = new Set(x.arms.filter((a) => a.closed).map((a) => a.name));
  const open = x.pairs.filter((p) => !closed.has(p.arm) && !closed.has(p.over));
  const ends = (open.length > 0 ? open : x.pairs).flatMap((p) => [Math.abs(p.low), Math.abs(p.high)]).filter(Number.isFinite);
  return Math.max(...ends, x.minEffect * 1.3, 1e-9) * 1.05;
}

/** The difference as a picture: the interval, the estimate, nothing, and what is worth having. */
function Forest(props: { view: View; pair: Pair; reach: number; look: string }) {
  const { pair: p, reach, view } = props;
  const at = (v: number) => Math.max(1, Math.min(width - 1, width / 2 + (v / reach) * (width / 2)));
  return (
    <svg class={`forest ${props.look}`} viewBox={`0 0 ${width} ${height}`} preserveAspectRatio="none" aria-hidden="true">
      <line class="axis" x1="0" x2={width} y1={mid} y2={mid} />
      <line class="zero" x1={width / 2} x2={width / 2} y1="1" y2={height - 1} />
      {view.minEffect > 0 && <line class="worth" x1={at(view.minEffect)} x2={at(view.minEffect)} y1="2" y2={height - 2} />}
      <rect class="range" x={at(p.low)} y={mid - 4} width={Math.max(1, at(p.high) - at(p.low))} height="8" />
      {p.estimate != null && <rect class="point" x={at(p.estimate) - 1.5} y={mid - 8} width="3" height="16" />}
    </svg>
  );
}

function span(x: View, p: Pair): string {
  return `${difference(p.low, x.unit)} to ${difference(p.high, x.unit)}`;
}

function Difference(props: { view: View; pair: Pair | undefined; reach: number; look: string }) {
  const { view: x, pair: p } = props;
  if (!p) return <>–</>;
  return (
    <>
      <Forest {...props} pair={p} />
      <span class="span">{p.estimate != null && <b>{difference(p.estimate, x.unit)} </b>}<small>{span(x, p)}{p.users ? `, ±${difference(p.users, x.unit).replace("+", "")} of it for who the users are` : ""}</small></span>
    </>
  );
}

/** A probability of being the best: never rounded to certainty. */
function chance(p: number | undefined): string {
  if (!p) return "–";
  return p > 0.999 ? `> ${percent(0.999)}` : p < 0.001 ? `< ${percent(0.001)}` : percent(p);
}

/** The open arm with the greatest mean, once all open ones have one. */
function leader(x: View): Trial | undefined {
  const open = x.arms.filter((a) => !a.closed);
  if (open.length < 2 || open.some((a) => a.mean == null)) return undefined;
  const best = open.reduce((a, b) => ((b.mean ?? 0) > (a.mean ?? 0) ? b : a));
  return open.filter((a) => a.mean === best.mean).length === 1 ? best : undefined;
}

function Place(props: { view: View; arm: Trial; at: number; ahead: Trial | undefined }) {
  const { finding } = props.view;
  if (finding.ending === "Winner") return (finding.arm ?? 0) === props.at ? <span class="chip good"><span aria-hidden="true">✓</span> wins</span> : null;
  return !finding.ending && props.ahead === props.arm ? <span class="chip" title="It has the greatest mean so far, which shows nothing yet.">ahead so far</span> : null;
}

function Safety(props: { arm: Trial; control: boolean }) {
  const a = props.arm;
  if (props.control) return <>–</>;
  if (a.closed) return <><span class="chip bad"><span aria-hidden="true">✕</span> closed</span> <small class="why">{sentence(a.closed)}</small></>;
  const w = verdictWords[a.verdict ?? ""];
  return <><span class={`chip ${w.tone}`}><span aria-hidden="true">{w.glyph}</span> {w.word}</span>{a.reason ? <small class="why">{sentence(a.reason)}</small> : null}</>;
}

function Counted(props: { arm: Trial }) {
  const { n, labelled } = props.arm;
  return <>{count(n)}{labelled != null && labelled < 1 ? <small class="why">{percent(labelled)} of those old enough</small> : null}</>;
}

function Row(props: { view: View; arm: Trial; look: Arm; reach: number; ahead: Trial | undefined; control: Trial }) {
  const { view: x, arm: a, look, control } = props;
  return (
    <tr class={a.closed ? "closed" : undefined}>
      <th scope="row"><b class={look.look}>{a.name}</b> <small>{a.version}</small><Place view={x} arm={a} at={look.at} ahead={props.ahead} /></th>
      <td>{a.mean == null ? "–" : estimate(a.mean, x.unit)}</td>
      <td>{a === control ? <small>the control</small> : <Difference view={x} reach={props.reach} look={look.look} pair={x.pairs.find((p) => p.arm === a.name && p.over === control.name)} />}</td>
      {x.thompson && <td>{chance(a.best)}</td>}
      <td><div class="bar-cell"><span class={`bar ${look.look}`} aria-hidden="true"><i style={{ width: `${100 * a.share}%` }} /></span><span>{percent(a.share)}</span></div></td>
      <td><Counted arm={a} /></td>
      <td><Safety arm={a} control={a === control} /></td>
    </tr>
  );
}

/** The differences of each two treatments: an arm has to be better than these, too. */
function Others(props: { view: View; arms: Arm[]; reach: number; control: Trial }) {
  const x = props.view;
  const pairs = x.pairs.filter((p) => p.over !== props.control.name);
  const look = (name: string) => props.arms.find((a) => a.name === name)?.look ?? "stable";
  if (pairs.length === 0) return null;
  return (
    <details class="others">
      <summary>Differences between the other arms</summary>
      <table class="wide">
        <thead><tr><th scope="col">Arm</th><th scope="col">Over</th><th scope="col">Difference</th></tr></thead>
        <tbody>{pairs.map((p) => (
          <tr key={`${p.arm} ${p.over}`}><th scope="row"><b class={look(p.arm)}>{p.arm}</b></th><td><b class={look(p.over)}>{p.over}</b></td>
            <td><Difference view={x} pair={p} reach={props.reach} look={look(p.arm)} /></td></tr>
        ))}</tbody>
      </table>
    </details>
  );
}

export function Experiment(props: { view: View | undefined; arms: Arm[] }) {
  const x = props.view;
  const control = x?.arms[0];
  if (!x || !control) return null;
  const reach = reachOf(x), ahead = leader(x);
  const look = (i: number): Arm => props.arms[i] ?? { name: "", version: "", at: i, look: "stable", dash: [] };
  return (
    <section class="panel" aria-labelledby="experiment-title" id="experiment">
      <header class="panel-head">
        <h2 id="experiment-title">Experiment</h2>
        <p class="legend">{x.duration > 0 && <span>compared for {nanoseconds(x.duration)}</span>}{x.minEffect > 0 && <span class="key worth">dotted: {difference(x.minEffect, x.unit)} is worth having</span>}</p>
      </header>
      <p class={`verdict ${x.finding.ending === "Winner" ? "good" : x.finding.ending === "Unsafe" ? "bad" : ""}`}><span>{sentence(x.finding.reason, ...x.arms.map((a) => a.name)) || "Nothing has been compared yet."}</span></p>
      <div class="scroll sideways" tabIndex={0} role="region" aria-label="Arms of the experiment">
        <table class="wide trial">
          <thead>
            <tr>
              <th scope="col">Arm</th><th scope="col">Goal</th><th scope="col" class="broad">Over {control.name}</th>
              {x.thompson && <th scope="col">Best <small>probability</small></th>}
              <th scope="col">Traffic</th><th scope="col">Counted</th><th scope="col" class="safety">Other metrics</th>
            </tr>
          </thead>
          <tbody>{x.arms.map((a, i) => <Row key={a.name} view={x} arm={a} look={look(i)} reach={reach} ahead={ahead} control={control} />)}</tbody>
        </table>
      </div>
      <Others view={x} arms={props.arms} reach={reach} control={control} />
      <p class="note">All intervals hold together, however often they are looked at, with a confidence of {percent(x.confidence)}. An arm wins when its interval over every other open arm lies above zero.</p>
    </section>
  );
}
