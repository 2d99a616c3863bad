// Everything the page shows, and who is told when it changes.

import { useEffect, useState } from "preact/hooks";
import { Refused, list, setToken, stream, type Message } from "./api";
import type { Block, Happening, Status } from "./types";

export type Link =
  | { kind: "connecting" }
  | { kind: "live" }
  | { kind: "lost"; lastSeen: number; nextTry: number; why: string }
  | { kind: "token"; refusedOnce: boolean };

const maxBlocks = 4000;
const maxEvents = 500;
const silence = 15_000; // the server beats every five seconds

export class Store {
  link: Link = { kind: "connecting" };
  names: string[] | null = null; // null: not known yet
  name = "";
  status: Status | null = null;
  events: Happening[] = [];
  private all = new Map<string, Block>();
  private blockCache: Block[] | null = null;
  private position = "";
  private lastSeen = Date.now();
  private generation = 0; // of the connection; older ones fall silent
  private control: AbortController | null = null;
  private listeners = new Set<() => void>();
  private timer = 0;

  subscribe(f: () => void): () => void {
    this.listeners.add(f);
    return () => this.listeners.delete(f);
  }

  /** Tells the page, at most about twenty times a second. */
  private changed(): void {
    if (this.timer) return;
    this.timer = window.setTimeout(() => {
      this.timer = 0;
      for (const f of this.listeners) f();
    }, 50);
  }

  /** The blocks of the attempt that runs, in order of time. */
  blocks(): Block[] {
    if (this.blockCache) return this.blockCache;
    const began = this.status?.began ? Date.parse(this.status.began) : 0;
    const mine = [...this.all.values()].map((block) => ({ block, end: Date.parse(block.end) })).filter((b) => b.end > began);
    mine.sort((a, b) => a.end - b.end || a.block.block - b.block.block);
    return (this.blockCache = mine.map((b) => b.block));
  }

  useToken(token: string): void {
    setToken(token);
    this.start();
  }

  /** Finds out which rollouts there are and follows the one of the address. */
  start(): void {
    this.connect(++this.generation, 500);
  }

  /** Follows another rollout. */
  choose(name: string): void {
    if (name === this.name) return;
    this.name = name;
    this.forget();
    this.start();
    this.changed();
  }

  private forget(): void {
    this.status = null;
    this.events = [];
    this.all.clear();
    this.blockCache = null;
    this.position = "";
  }

  private async connect(generation: number, wait: number): Promise<void> {
    this.control?.abort();
    const control = (this.control = new AbortController());
    let watchdog = 0;
    const heard = () => {
      if (generation !== this.generation) return;
      this.lastSeen = Date.now();
      wait = 500;
      clearTimeout(watchdog);
      watchdog = window.setTimeout(() => control.abort(), silence);
      if (this.link.kind !== "live") {
        this.link = { kind: "live" };
        this.changed();
      }
    };
    let why = "the server ended the stream";
    try {
      if (!(await this.find())) {
        this.link = { kind: "live" };
        this.lastSeen = Date.now();
        this.changed();
        window.setTimeout(() => generation === this.generation && this.connect(generation, 500), 2000);
        return;
      }
      await stream(this.name, this.position, control.signal, heard, (m) => generation === this.generation && this.take(m));
    } catch (e) {
      if (e instanceof Refused && e.status === 401) {
        this.link = { kind: "token", refusedOnce: this.link.kind === "token" };
        this.changed();
        return;
      }
      if (e instanceof Refused && e.status === 404) this.forget();
      why = e instanceof Refused ? e.message : "the server does not answer";
    } finally {
      clearTimeout(watchdog);
    }
    if (generation !== this.generation) return;
    this.link = { kind: "lost", lastSeen: this.lastSeen, nextTry: Date.now() + wait, why };
    this.changed();
    window.setTimeout(() => generation === this.generation && this.connect(generation, Math.min(2 * wait, 8000)), wait);
  }

  /** Looks the rollouts up and settles on a name; false if there is none. */
  private async find(): Promise<boolean> {
    this.names = (await list()).map((s) => s.name);
    const asked = decodeURIComponent(location.hash.replace(/^#\/?/, ""));
    const name = [this.name, asked, this.names[0] ?? ""].find((n) => n !== "" && this.names?.includes(n)) ?? "";
    if (name !== this.name) this.forget();
    this.name = name;
    this.changed();
    return name !== "";
  }

  private take(m: Message): void {
    const value: unknown = JSON.parse(m.data);
    if (m.id) this.position = m.id;
    switch (m.kind) {
      case "status": this.takeStatus(value as Status); break;
      case "block": this.takeBlock(value as Block); break;
      case "event": this.takeEvent(value as Happening); break;
    }
    this.changed();
  }

  private takeStatus(s: Status): void {
    if (s.began !== this.status?.began) this.blockCache = null;
    this.status = s;
  }

  private takeBlock(b: Block): void {
    this.all.set(`${b.block}@${b.end}`, b);
    if (this.all.size > maxBlocks) {
      const oldest = this.all.keys().next().value;
      if (oldest !== undefined) this.all.delete(oldest);
    }
    this.blockCache = null;
  }

  private takeEvent(e: Happening): void {
    if (this.events.some((old) => old.id === e.id)) return;
    this.events = [e, ...this.events].slice(0, maxEvents);
  }
}

export const store = new Store();

/** Renders the component again whenever the store changes. */
export function useStore(): Store {
  const [, again] = useState(0);
  useEffect(() => store.subscribe(() => again((n) => n + 1)), []);
  return store;
}

/** The time now, renewed every second while on is true. */
export function useNow(on: boolean): number {
  const [now, set] = useState(Date.now());
  useEffect(() => {
    if (!on) return;
    set(Date.now());
    const timer = setInterval(() => set(Date.now()), 1000);
    return () => clearInterval(timer);
  }, [on]);
  return now;
}
