// Promote, pause, resume, abort, retry: what is possible, and why not.

import { useRef, useState } from "preact/hooks";
import { commandID, submit } from "./api";
import { sentence, weight } from "./format";
import type { Phase, Status, Verb } from "./types";

interface Action {
  key: string;
  verb: Verb;
  full?: boolean;
  label: string;
  tone?: "danger" | "strong";
  confirm?: (s: Status) => { title: string; text: string; go: string };
  /** Why it cannot be done now; "" if it can. */
  refusal: (s: Status) => string;
}

const ended: Partial<Record<Phase, string>> = {
  Idle: "there is no candidate",
  Promoted: "the rollout has ended: the canary is promoted",
  RolledBack: "the rollout has ended: the canary is rolled back",
  Completed: "the rollout has ended: the versions were compared as planned",
  Completing: "it ends: the versions were compared as planned",
  RollingBack: "it is being rolled back",
  Promoting: "it is being promoted",
};

const actions: Action[] = [
  {
    key: "promote", verb: "promote", label: "Promote",
    refusal: (s) => ended[s.phase] ?? (s.phase === "Paused" ? ""
      : /^Waiting for .+ to confirm the /.test(s.waiting ?? "") ? "it waits for the answer of a hook or a check, which this does not give: Promote fully goes without it"
      : "there is no pause to end: it goes on by itself when the evidence is enough"),
  },
  {
    key: "pause", verb: "pause", label: "Pause",
    refusal: (s) => ended[s.phase] ?? (s.phase === "Initializing" ? "there is no traffic to hold yet"
      : s.hold?.kind === "person" ? "it is paused already" : s.hold?.kind === "deadline" ? "it is held already: its deadline has passed" : ""),
  },
  {
    key: "resume", verb: "resume", label: "Resume",
    refusal: (s) => ended[s.phase] ?? (s.phase !== "Paused" ? "it is not paused"
      : s.hold?.kind === "step" ? "this pause is a step of the plan: promote ends it"
      : s.hold?.kind === "deadline" ? "its deadline has passed: promote gives it more time" : ""),
  },
  {
    key: "retry", verb: "retry", label: "Retry",
    refusal: (s) => (s.phase === "RolledBack" || s.phase === "Completed" || (s.phase === "Idle" && s.canary.hash !== "") ? "" : "only a version that was taken back, or compared, can be tried again"),
  },
  {
    key: "full", verb: "promote", full: true, label: "Promote fully…",
    refusal: (s) => ended[s.phase] ?? (s.end === "Report" ? "nothing is promoted here: it ends with a report"
      : s.phase === "Initializing" ? "the canary is not ready yet" : ""),
    confirm: (s) => ({
      title: `Send all traffic to ${s.canary.version}?`,
      text: `This skips every remaining gate: whatever evidence is still missing at ${weight(s.wanted.canary)} will not be waited for.`,
      go: "Promote fully",
    }),
  },
  {
    key: "abort", verb: "abort", label: "Abort…", tone: "danger",
    refusal: (s) => (s.phase === "Promoting" ? "" : ended[s.phase] ?? ""),
    confirm: (s) => ({
      title: `Take ${s.canary.version} back?`,
      text: `All traffic returns to ${s.stable.version} at once. ${s.canary.version} can be tried again later, with a stricter test.`,
      go: "Abort the rollout",
    }),
  },
];

interface Said { text: string; tone: "good" | "bad" | "" }

export function Controls(props: { status: Status; connected: boolean }) {
  const [said, say] = useState<Said>({ text: "", tone: "" });
  const [busy, setBusy] = useState(false);
  const [asking, ask] = useState<Action | null>(null);
  const dialog = useRef<HTMLDialogElement>(null);
  const s = props.status;

  const why = (a: Action) => (!props.connected ? "the connection is lost" : busy ? "a command is on its way" : a.refusal(s));

  const send = async (a: Action, reason: string) => {
    setBusy(true);
    say({ text: `${a.label.replace("…", "")}: sent, waiting for the answer…`, tone: "" });
    try {
      const reply = await submit(s.name, {
        id: commandID(), verb: a.verb, by: "dashboard", revision: s.canary.hash,
        ...(a.full ? { full: true } : {}), ...(a.verb === "promote" ? { step: s.step } : {}), ...(reason ? { reason } : {}),
      });
      say({ text: sentence(reply.message, s.stable.version, s.canary.version), tone: reply.accepted ? "good" : "bad" });
    } catch (e) {
      say({ text: sentence(e instanceof Error ? e.message : String(e)), tone: "bad" });
    } finally {
      setBusy(false);
    }
  };

  const press = (a: Action) => {
    const reason = why(a);
    if (reason) return say({ text: `${a.label.replace("…", "")}: ${reason}.`, tone: "" });
    if (!a.confirm) return void send(a, "");
    ask(a);
    dialog.current?.showModal();
  };

  const words = asking?.confirm?.(s);
  return (
    <div class="controls">
      <div class="buttons" role="group" aria-label="Commands">
        {actions.map((a) => (
          <button key={a.key} type="button" class={a.tone} aria-disabled={why(a) !== ""} onClick={() => press(a)}
            {...(why(a) ? { title: sentence(why(a)), "aria-describedby": `why-${a.key}` } : {})}>
            {a.label}
          </button>
        ))}
      </div>
      <div hidden>{actions.map((a) => <span key={a.key} id={`why-${a.key}`}>{sentence(why(a))}</span>)}</div>
      <p class={`said ${said.tone}`} role="status">{said.text}</p>
      <dialog ref={dialog} aria-labelledby="ask-title" onClose={(e) => {
        const d = e.currentTarget;
        const reason = d.querySelector("input")?.value.trim() ?? "";
        if (d.returnValue === "go" && asking) void send(asking, reason);
        d.returnValue = "";
        ask(null);
      }}>
        <form method="dialog">
          <h2 id="ask-title">{words?.title}</h2>
          <p>{words?.text}</p>
          <label>Reason, for the log <input type="text" maxLength={200} name="reason" autocomplete="off" key={asking?.key} /></label>
          <div class="buttons">
            <button type="submit" value="stay" formNoValidate>Keep going</button>
            <button type="submit" value="go" class={asking?.tone ?? "strong"}>{words?.go}</button>
          </div>
        </form>
      </dialog>
    </div>
  );
}
