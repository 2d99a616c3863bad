// How the arms of an experiment compare by its goal.

import { count, difference, estimate, percent } from "./format";
import type { Experiment as View, Pair } from "./types";

function over(x: View, p: Pair | undefined): string {
  if (!p) return "–";
  const span = `${difference(p.low, x.unit)} to ${difference(p.high, x.unit)}`;
  return p.estimate == null ? span : `${difference(p.estimate, x.unit)} (${span})`;
}

export function Experiment(props: { view: View | undefined }) {
  const x = props.view;
  const control = x?.arms[0];
  if (!x || !control) return null;
  return (
    <section class="panel" aria-labelledby="experiment-title" id="experiment">
      <header class="panel-head"><h2 id="experiment-title">Experiment</h2></header>
      <div class="scroll" tabIndex={0} role="region" aria-label="Arms of the experiment">
        <table class="wide">
          <thead>
            <tr>
              <th scope="col">Arm</th><th scope="col">Traffic</th><th scope="col">Counted</th>
              <th scope="col">Goal</th><th scope="col">Over {control.name}</th><th scope="col">Metrics</th>
            </tr>
          </thead>
          <tbody>
            {x.arms.map((a) => (
              <tr key={a.name}>
                <th scope="row">{a.name} <small>{a.version}</small></th>
                <td>{percent(a.share)}</td>
                <td>{count(a.n)}</td>
                <td>{a.mean == null ? "–" : estimate(a.mean, x.unit)}</td>
                <td>{a === control ? "–" : over(x, x.pairs.find((p) => p.arm === a.name && p.over === control.name))}</td>
                <td>{a.closed ? `Closed: ${a.closed}` : a.verdict || "–"}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <p class="still">{x.finding.reason}</p>
      <p class="still">All intervals hold together, however often they are looked at, with a confidence of {percent(x.confidence)}.</p>
    </section>
  );
}
