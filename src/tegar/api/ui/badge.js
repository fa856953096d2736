// A state as a word with a sign and a colour: colour alone tells some people nothing.

import { h } from "./dom.js";

const TONES = {
  good: ["Running", "Up", "Enabled", "Ready", "Implemented", "Active", "Available", "Completed", "Good", "On", "Download Complete"],
  busy: ["Starting", "Stopping", "Migrating", "Creating", "Attaching", "Detaching", "Expunging", "Fetching", "Deleting",
    "Downloading", "Started", "Scheduled", "Pending", "PrepareForMaintenance", "PreparingForShutDown", "ShuttingDown"],
  warn: ["Maintenance", "ReadyToShutDown", "Disconnected", "WARN", "Inactive", "Suspect"],
  bad: ["Error", "Alert", "Fenced", "Failed", "ERROR", "Down", "Fencing", "ErrorInMaintenance", "Download Error"],
  plain: ["INFO"],
  gone: ["Destroyed", "Expunged", "Destroy", "Removed", "Deleted"],
};
const SIGNS = { good: "●", busy: "◐", warn: "▲", bad: "✕", plain: "", gone: "◌", idle: "○" };
const TONE_OF = new Map(
  Object.entries(TONES).flatMap(([tone, states]) => states.map((state) => [state.toLowerCase(), tone])),
);

/** good, busy, warn, bad, plain, gone, or idle when the state is none of those. */
export function tone(state) {
  return TONE_OF.get(String(state).toLowerCase()) ?? "idle";
}

/** Return the badge of a state. */
export function badge(state) {
  if (!state) return "";
  const kind = tone(state);
  const word = state.charAt(0).toUpperCase() + state.slice(1);
  return h("span", { class: `badge ${kind}` }, h("span", { class: "sign", "aria-hidden": "true" }, SIGNS[kind]), word);
}
