// The JSON of the API, field by field as internal/engine/view.go writes it.

export type Phase =
  | "Idle" | "Initializing" | "Progressing" | "Paused"
  | "Promoting" | "Promoted" | "Completing" | "Completed" | "RollingBack" | "RolledBack";

/** Nothing more happens to this version by itself. */
export const terminalPhase = (p: Phase): boolean => p === "Promoted" || p === "Completed" || p === "RolledBack";

export type Decision = "Pass" | "Fail" | "Inconclusive" | "Invalid" | "";

export interface Revision { version: string; hash: string }

/** Weights are hundredths of a percent; durations are nanoseconds. */
export interface Step {
  weight?: number;
  shadow?: number;
  pause?: { for?: number };
  preview?: boolean;
  for?: number; // at least
  factor?: number;
}

export interface Effect {
  estimate: number; low: number; high: number;
  unit: string; always: boolean;
  margin: number; // where it lies: below zero for what must not fall
}

export interface MetricVerdict {
  name: string; kind: string; decision: Decision; reason: string;
  logRollback: number; rollbackThreshold: number;
  logPromotion: number; promotionThreshold: number;
  stableN: number; canaryN: number;
  stable: number; canary: number;
  effect: Effect;
  uncorrected?: boolean;
}

export interface Verdict {
  decision: Decision; reason: string; culprits?: string[]; block: number;
  stage: { index: number; factor: number; last: boolean; shadow: boolean };
  metrics: MetricVerdict[] | null;
}

export interface Health {
  ready: boolean; failed: boolean; message?: string;
  revision?: string; restarts?: number; since?: string;
}

export interface Totals {
  requests: number; errors: number; forced: number; mirrored: number;
  dropped: number; unread: number; labelled: number; predicted: number;
}

/** Who or what keeps a paused rollout from going on. */
export interface Hold { kind: "deadline" | "person" | "step"; by?: string; since?: string; until?: string }

/** Labels of predictions that are old enough to be judged. */
export interface Coverage { predicted: number; labelled: number; wrong: number }

/** What a hook, a check or a guardrail says now. */
export interface Say { name: string; effect: "Rollback" | "Hold" | "Warn"; message: string }

/** How one thing stands that has a say beside the evidence, well or ill. */
export interface Watch {
  kind: "guardrail" | "anomaly" | "check" | "hook" | "switch";
  name: string; state: "Passing" | "Failing" | "Unknown";
  effect?: "Rollback" | "Hold" | "Warn"; dryRun?: boolean; rule?: string;
  value?: number; min?: number; max?: number; says?: string;
}

export type Strategy = "canary" | "blueGreen" | "shadow" | "experiment";

export interface Status {
  name: string; mode: string; strategy?: Strategy; end?: "Promote" | "Report"; phase: Phase; reason?: string; waiting?: string;
  stable: Revision; canary: Revision; attempt: number; step: number;
  hold?: Hold;
  steps: Step[] | null;
  wanted: { generation: number; canary: number; mirror?: number };
  observed: { level: string; generation: number; canary: number; mirror: number };
  verdict: Verdict;
  workloads: Record<string, Health> | null;
  began?: string; stepBegan?: string; phaseBegan?: string; deadline?: string; now: string;
  totals: Record<string, Totals> | null;
  labels?: Record<string, Coverage>;
  links?: Record<string, string>;
  signals?: Say[];
  watches?: Watch[];
  warnings?: string[];
  falseRollback: number; falsePromotion: number;
  experiment?: Experiment;
}

/** The arms of an experiment, the control first, and the differences of each two. */
export interface Experiment {
  arms: Trial[]; pairs: Pair[];
  confidence: number; unit: string; minEffect: number;
  thompson?: boolean; duration: number;
  finding: { ending?: string; arm?: number; reason: string };
}

export interface Trial {
  name: string; version: string; share: number;
  n: number; mean: number | null; labelled?: number; best?: number;
  verdict?: Decision; reason?: string; closed?: string;
}

export interface Pair {
  arm: string; over: string; estimate: number | null; low: number; high: number;
  users?: number; // of the interval, to either side: set apart for who the users are
}

export interface BlockArm {
  requests: number; errors: number;
  p50: number | null; p95: number | null; p99: number | null;
  classes?: Record<string, number>;
  confidence: number | null; value: number | null;
  labelled: number; correct: number;
  ttft?: number | null; perToken?: number | null;
}

export interface Block {
  block: number; start: string; end: string; step: number; phase: Phase;
  weight: number; wanted: number; mirror: number;
  verdict: Verdict;
  arms: Record<string, BlockArm> | null;
}

export interface Happening {
  id: string; at: string; kind: string; revision: string;
  attempt: number; step: number; message: string; by?: string;
}

export type Verb = "promote" | "abort" | "pause" | "resume" | "retry";

export interface Command {
  id: string; verb: Verb; full?: boolean; revision?: string;
  step?: number; reason?: string; by: string;
}

export interface Reply { id: string; accepted: boolean; message: string }
