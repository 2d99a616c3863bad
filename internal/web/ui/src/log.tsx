// What happened, newest first.

import { sentence, time } from "./format";
import type { Happening } from "./types";

const glyphs: Record<string, { glyph: string; tone: string; word: string }> = {
  Started: { glyph: "▸", tone: "", word: "Started" },
  Ready: { glyph: "●", tone: "", word: "Ready" },
  Step: { glyph: "▲", tone: "good", word: "Step" },
  Paused: { glyph: "‖", tone: "wait", word: "Paused" },
  Resumed: { glyph: "▸", tone: "", word: "Resumed" },
  Held: { glyph: "‖", tone: "wait", word: "Held" },
  Invalid: { glyph: "!", tone: "warn", word: "Not comparable" },
  Promoting: { glyph: "▲", tone: "good", word: "Promoting" },
  Promoted: { glyph: "✓", tone: "good", word: "Promoted" },
  Closed: { glyph: "✕", tone: "warn", word: "Closed" },
  Completed: { glyph: "✓", tone: "good", word: "Completed" },
  RollingBack: { glyph: "▼", tone: "bad", word: "Rolling back" },
  RolledBack: { glyph: "✕", tone: "bad", word: "Rolled back" },
  Deadline: { glyph: "!", tone: "warn", word: "Deadline" },
  Command: { glyph: "›", tone: "", word: "Command" },
  Warned: { glyph: "!", tone: "warn", word: "Warning" },
  Retry: { glyph: "↻", tone: "", word: "Retry" },
};

export function Log(props: { events: Happening[]; stable: string }) {
  return (
    <section class="panel log" aria-labelledby="log-title">
      <header class="panel-head"><h2 id="log-title">Log</h2></header>
      {props.events.length === 0 ? <p class="nothing still">Nothing has happened yet.</p> : (
        <div class="scroll" tabIndex={0} role="region" aria-label="Log, newest first">
          <ol>
            {props.events.map((e) => {
              const g = glyphs[e.kind] ?? { glyph: "·", tone: "", word: e.kind };
              return (
                <li key={e.id}>
                  <time dateTime={e.at}>{time(e.at)}</time>
                  <span class={`kind ${g.tone}`}><span aria-hidden="true">{g.glyph}</span> {g.word}</span>
                  <span class="message">{sentence(e.message, e.revision, props.stable, e.by)}{e.by ? <small> by {e.by}</small> : null}</span>
                </li>
              );
            })}
          </ol>
        </div>
      )}
    </section>
  );
}
