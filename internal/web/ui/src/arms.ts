// The arms of a rollout, and how each is told from the others: by name, colour and dash.

import type { Status } from "./types";

export interface Arm {
  name: string;
  version: string;
  /** Its place: 0 is stable, 1 the candidate, from 2 on the variants of an experiment. */
  at: number;
  /** The class that gives it its colour. */
  look: string;
  dash: number[];
}

const looks = ["stable", "canary", "arm-2", "arm-3", "arm-4", "arm-5", "arm-6", "arm-7"];
const dashes = [[6, 3], [], [2, 2], [9, 3, 2, 3], [12, 4], [4, 4], [1, 3], [9, 3, 2, 3, 2, 3]];

function arm(name: string, version: string, at: number): Arm {
  return { name, version, at, look: looks[at] ?? "stable", dash: dashes[at] ?? [] };
}

export function armsOf(s: Status): Arm[] {
  const all = s.experiment?.arms;
  if (all && all.length > 2) return all.map((a, i) => arm(a.name, a.version, i));
  return [arm("stable", s.stable.version, 0), arm("canary", s.canary.version, 1)];
}

/** Changes when the arms do. */
export function armsKey(arms: Arm[]): string {
  return arms.map((a) => `${a.name} ${a.version}`).join();
}
