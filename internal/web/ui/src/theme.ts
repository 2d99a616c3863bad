// Light and dark: the system's wish unless the reader chose.

import { useEffect, useState } from "preact/hooks";

export type Choice = "auto" | "light" | "dark";
const key = "haldane-theme";
const dark = matchMedia("(prefers-color-scheme: dark)");
const listeners = new Set<() => void>();

export function chosen(): Choice {
  const c = document.documentElement.dataset["theme"];
  return c === "light" || c === "dark" ? c : "auto";
}

export function choose(c: Choice): void {
  if (c === "auto") delete document.documentElement.dataset["theme"];
  else document.documentElement.dataset["theme"] = c;
  try {
    if (c === "auto") localStorage.removeItem(key);
    else localStorage.setItem(key, c);
  } catch { /* storage is closed: the choice lasts as long as the page */ }
  for (const f of listeners) f();
}

dark.addEventListener("change", () => { for (const f of listeners) f(); });

/** The colours that the charts draw with, read from the style sheet. */
export interface Colours {
  ink: string; muted: string; line: string; panel: string;
  stable: string; canary: string; promote: string; rollback: string;
  promoteZone: string; rollbackZone: string; font: string;
  arms: string[]; // by their place
}

export function colours(): Colours {
  const s = getComputedStyle(document.documentElement);
  const of = (name: string) => s.getPropertyValue(`--${name}`).trim();
  return {
    ink: of("ink"), muted: of("muted"), line: of("line"), panel: of("panel"),
    stable: of("stable"), canary: of("canary"), promote: of("promote"), rollback: of("rollback"),
    promoteZone: of("promote-zone"), rollbackZone: of("rollback-zone"), font: of("font"),
    arms: ["stable", "canary", "arm-2", "arm-3", "arm-4", "arm-5", "arm-6", "arm-7"].map(of),
  };
}

/** Grows with every change of theme and once when the font has come. */
export function useThemeVersion(): number {
  const [version, set] = useState(0);
  useEffect(() => {
    const f = () => set((n) => n + 1);
    listeners.add(f);
    let here = true;
    document.fonts.load('12px "IBM Plex Sans Variable"').then(() => here && f(), () => undefined);
    return () => { here = false; listeners.delete(f); };
  }, []);
  return version;
}
