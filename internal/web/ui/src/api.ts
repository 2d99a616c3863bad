// Speaks to the server this page came from.

import type { Command, Reply, Status } from "./types";

/** What the server refused, in its own words. */
export class Refused extends Error {
  constructor(readonly status: number, message: string) { super(message); }
}

const tokenKey = "haldane-token";
let token: string | null = null;
try { token = sessionStorage.getItem(tokenKey); } catch { /* storage is closed: asked for again next time */ }

/** Keeps the token for this tab alone. */
export function setToken(value: string): void {
  token = value;
  try { sessionStorage.setItem(tokenKey, value); } catch { /* as above */ }
}

function headers(more: Record<string, string>): Record<string, string> {
  return token ? { ...more, Authorization: `Bearer ${token}` } : more;
}

async function refused(r: Response): Promise<Refused> {
  const body: unknown = await r.json().catch(() => null);
  const said = body && typeof body === "object" && "error" in body ? String(body.error) : `the server answers ${r.status}`;
  return new Refused(r.status, said);
}

const root = "api/v1/rollouts";

export async function list(): Promise<Status[]> {
  const r = await fetch(root, { headers: headers({}), cache: "no-store" });
  if (!r.ok) throw await refused(r);
  return ((await r.json()) as { rollouts: Status[] }).rollouts;
}

/** Submits a command. One that is understood and not obeyed is a Reply too. */
export async function submit(name: string, command: Command): Promise<Reply> {
  const r = await fetch(`${root}/${encodeURIComponent(name)}/commands`, {
    method: "POST",
    headers: headers({ "Content-Type": "application/json" }),
    body: JSON.stringify(command),
  });
  if (r.ok || r.status === 409) return (await r.json()) as Reply;
  throw await refused(r);
}

export function commandID(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(12)), (b) => b.toString(16).padStart(2, "0")).join("");
}

export interface Message { kind: string; id: string; data: string }

/**
 * Reads the stream until it breaks. EventSource cannot send a token, so this
 * is fetch and a parser. heard is called for every piece, beats included.
 */
export async function stream(
  name: string, position: string, signal: AbortSignal, heard: () => void, take: (m: Message) => void,
): Promise<void> {
  const r = await fetch(`${root}/${encodeURIComponent(name)}/stream?replay=3000`, {
    headers: headers(position ? { "Last-Event-ID": position } : {}), cache: "no-store", signal,
  });
  if (!r.ok || !r.body) throw await refused(r);
  const reader = r.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    heard();
    const parts = (rest + value).split("\n\n");
    rest = parts.pop() ?? "";
    for (const part of parts) {
      const m = parse(part);
      if (m) take(m);
    }
  }
}

function parse(text: string): Message | null {
  const m: Message = { kind: "", id: "", data: "" };
  for (const line of text.split("\n")) {
    if (line.startsWith("event: ")) m.kind = line.slice(7);
    else if (line.startsWith("id: ")) m.id = line.slice(4);
    else if (line.startsWith("data: ")) m.data += line.slice(6);
  }
  return m.data ? m : null;
}
