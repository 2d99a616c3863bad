// Numbers and times as people read them: with a unit, and no more digits than mean something.

const thin = "\u202f"; // narrow no-break space, between a number and its unit
const minus = "\u2212";

function digits(x: number, places: number): string {
  return Math.abs(x).toLocaleString("en", { minimumFractionDigits: places, maximumFractionDigits: places });
}

function signed(x: number, text: string, plus = false): string {
  if (/^[0.,]*$/.test(text)) return text;
  return (x < 0 ? minus : plus ? "+" : "") + text;
}

/** Decimal places that show about three significant digits. */
function places(x: number, most: number): number {
  const size = Math.abs(x);
  if (size === 0) return 0;
  return Math.max(0, Math.min(most, 2 - Math.floor(Math.log10(size))));
}

export function count(n: number): string {
  return Math.round(n).toLocaleString("en");
}

/** A share in [0,1] as percent. */
export function percent(share: number | null | undefined): string {
  if (share == null || !Number.isFinite(share)) return "–";
  const p = 100 * share;
  return signed(p, digits(p, Math.min(2, places(p, 2)))) + thin + "%";
}

/** Hundredths of a percent, exact. */
export function weight(w: number | undefined): string {
  return ((w ?? 0) / 100).toLocaleString("en", { maximumFractionDigits: 2 }) + thin + "%";
}

/** A time in seconds, in the unit that fits it. */
export function seconds(s: number | null | undefined, plus = false): string {
  if (s == null || !Number.isFinite(s)) return "–";
  const size = Math.abs(s);
  const [x, unit] = size < 0.0005 && size > 0 ? [s * 1e6, "µs"] : size < 1 ? [s * 1e3, "ms"] : [s, "s"];
  return signed(x, digits(x, places(x, 2)), plus) + thin + unit;
}

export function plain(x: number | null | undefined, plus = false): string {
  if (x == null || !Number.isFinite(x)) return "–";
  return signed(x, digits(x, places(x, 3)), plus);
}

/** A difference between the arms in the unit the API names. */
export function difference(x: number, unit: string): string {
  switch (unit) {
    case "share": return signed(x, digits(100 * x, places(100 * x, 2)), true) + thin + "pp";
    case "seconds": return seconds(x, true);
    default: return plain(x, true);
  }
}

/** An estimate of one arm in the unit of its effect. */
export function estimate(x: number, unit: string): string {
  switch (unit) {
    case "share": return percent(x);
    case "seconds": return seconds(x);
    default: return plain(x);
  }
}

/** Log evidence as betting odds: what a fair bettor's stake would have become. */
export function odds(log: number): string {
  if (!Number.isFinite(log)) return log > 0 ? "∞\u202f:\u202f1" : "0\u202f:\u202f1";
  if (log > Math.log(9.995e5)) return "10" + superscript(Math.round(log / Math.LN10)) + thin + ":" + thin + "1";
  const x = Math.exp(log);
  if (x < 0.995) return "under" + thin + "1" + thin + ":" + thin + "1";
  return (x < 9.95 ? digits(x, 1) : count(x >= 1000 ? Number(x.toPrecision(2)) : x)) + thin + ":" + thin + "1";
}

function superscript(n: number): string {
  return String(n).replace(/\d/g, (d) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[Number(d)] ?? d);
}

export function time(at: string | number | Date | undefined): string {
  if (at === undefined) return "–";
  const d = new Date(at);
  return Number.isNaN(d.getTime()) ? "–" : d.toLocaleTimeString("en-GB");
}

/** A stretch of time: 42 s, 3 min 05 s, 2 h 10 min. */
export function duration(s: number): string {
  const t = Math.max(0, Math.round(s));
  if (t < 60) return `${t}${thin}s`;
  if (t < 3600) return `${Math.floor(t / 60)}${thin}min ${String(t % 60).padStart(2, "0")}${thin}s`;
  return `${Math.floor(t / 3600)}${thin}h ${String(Math.floor((t % 3600) / 60)).padStart(2, "0")}${thin}min`;
}

/** A Go duration in nanoseconds. */
export function nanoseconds(n: number): string {
  return duration(n / 1e9);
}

/** The core tells times of the day in UTC: here they are the reader's, like all others on the page. */
export function localTimes(text: string, near: string): string {
  return text.replace(/\b(\d\d:\d\d:\d\d) UTC\b/g, (all, clock: string) => {
    const at = new Date(`${new Date(near).toISOString().slice(0, 10)}T${clock}Z`);
    return Number.isNaN(at.getTime()) ? all : time(at);
  });
}

/** A sentence for a person. Names that it may begin with, of versions and people, stay as they are. */
export function sentence(text: string | undefined, ...names: (string | undefined)[]): string {
  const s = (text ?? "").trim();
  if (s === "") return "";
  const word = /^[a-z]+(?=[\s,:.]|$)/.exec(s)?.[0]; // "v2 is ready" begins with no word
  const first = word && !names.includes(word) ? s.charAt(0).toUpperCase() : s.charAt(0);
  return first + s.slice(1) + (/[.!?…]$/.test(s) ? "" : ".");
}
