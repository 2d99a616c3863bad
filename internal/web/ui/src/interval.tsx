// The estimated difference between the arms, with its interval and margin.

import { difference } from "./format";
import type { MetricVerdict } from "./types";

const width = 320, mid = 15;

export function Interval(props: { metric: MetricVerdict }) {
  const e = props.metric.effect;
  const margin = e.margin;
  const known = props.metric.canaryN > 0 && props.metric.stableN > 0 && e.high > e.low && Number.isFinite(e.low) && Number.isFinite(e.high);
  const reach = Math.max(Math.abs(margin) * 1.6, Math.min(Math.max(Math.abs(e.low), Math.abs(e.high)), Math.abs(margin) * 6 || Infinity), 1e-9) * 1.08;
  const x = (v: number) => Math.max(2, Math.min(width - 2, width / 2 + (v / reach) * (width / 2)));
  const range = known ? `${difference(e.low, e.unit)} to ${difference(e.high, e.unit)}` : "not known yet";
  const worse = margin < 0 ? x(margin) : width - x(margin);
  return (
    <figure class="interval">
      <svg viewBox={`0 0 ${width} 30`} preserveAspectRatio="none" aria-hidden="true">
        <rect class="beyond" x={margin < 0 ? 0 : x(margin)} y="2" width={Math.max(0, worse)} height="26" />
        <line class="axis" x1="0" x2={width} y1={mid} y2={mid} />
        <line class="zero" x1={width / 2} x2={width / 2} y1="3" y2="27" />
        <line class="margin" x1={x(margin)} x2={x(margin)} y1="2" y2="28" />
        {known && <rect class="range" x={x(e.low)} y={mid - 4} width={Math.max(1, x(e.high) - x(e.low))} height="8" />}
        {known && <rect class="point" x={x(e.estimate) - 1.5} y={mid - 8} width="3" height="16" />}
      </svg>
      <figcaption>
        <span>{range}{known && !e.always ? " (at this look only)" : ""}</span>
        <span class="allowed">margin {difference(margin, e.unit)}</span>
      </figcaption>
    </figure>
  );
}
