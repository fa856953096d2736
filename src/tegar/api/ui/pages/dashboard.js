// The first look: how full, how healthy, what happened last.

import { badge, tone } from "../badge.js";
import { list, may } from "../client.js";
import { fill, h } from "../dom.js";
import { bytes, counted, megahertz } from "../format.js";
import { nounNamed } from "../nouns/table.js";
import { watch } from "../refresh.js";
import { nounTable } from "../table.js";

const STATES = ["Running", "Stopped", "Starting", "Stopping", "Migrating", "Error", "Destroyed"];
const ALWAYS = ["Running", "Stopped", "Error"];
const HOST_STATES = ["Up", "Disconnected", "Alert"];
const KINDS = {
  0: ["Memory", bytes],
  1: ["CPU", megahertz],
  2: ["Storage used", bytes],
  3: ["Storage promised", bytes],
  4: ["Public addresses", String],
  8: ["Shared addresses", String],
};

/** Show the dashboard; returns ``{element, stop}``. */
export function dashboard() {
  const vms = h("div", { class: "tiles" });
  const hosts = h("div", { class: "tiles" });
  const bars = h("div", { class: "bars" });
  const problem = h("p", { class: "stale", hidden: true, role: "status" });
  const events = nounTable(nounNamed("event"), { title: "Latest events", part: true, limit: 12 });
  const element = h(
    "section",
    { class: "noun dashboard" },
    h("h1", { class: "hidden" }, "Dashboard"),
    problem,
    h("div", { class: "panels" },
      h("section", {}, h("h3", {}, "Instances"), vms),
      may("listHosts") ? h("section", {}, h("h3", {}, "Hosts"), hosts) : null),
    may("listCapacity") ? h("section", { class: "capacity" }, h("h3", {}, "Capacity"), bars) : null,
    events.element,
  );

  async function look() {
    try {
      await Promise.all([lookAtVms(), may("listHosts") && lookAtHosts(), may("listCapacity") && lookAtCapacity()]);
      problem.hidden = true;
    } catch (e) {
      problem.hidden = false;
      fill(problem, `${e.message}. What stands here is from before.`);
      throw e;
    }
  }

  async function lookAtVms() {
    const totals = await Promise.all(
      STATES.map((state) => list("listVirtualMachines", "virtualmachine", { listall: "true", state: state, page: 1, pagesize: 1 })),
    );
    const counts = STATES.map((state, i) => [state, totals[i].total]).filter(([state, n]) => n || ALWAYS.includes(state));
    fill(vms, counts.map(([state, n]) => tile(state, n, `#/vm?filter=${state}`)));
  }

  async function lookAtHosts() {
    const totals = await Promise.all(
      HOST_STATES.map((state) => list("listHosts", "host", { type: "Routing", state: state, page: 1, pagesize: 1 })),
    );
    fill(hosts, HOST_STATES.map((state, i) => tile(state, totals[i].total, `#/host?filter=${state}`)));
  }

  async function lookAtCapacity() {
    const { rows } = await list("listCapacity", "capacity", {});
    const zones = new Set(rows.map((row) => row.zoneid));
    fill(bars, rows.filter((row) => KINDS[row.type]).map((row) => bar(row, zones.size > 1)));
  }

  const loop = watch(look);
  return {
    element,
    stop() {
      loop.stop();
      events.stop();
    },
  };
}

function tile(state, count, href) {
  const quiet = count === 0 ? " none" : "";
  return h("a", { class: `tile ${tone(state)}${quiet}`, href, "aria-label": `${counted(count, "is", "are")} ${state}` },
    h("span", { class: "big" }, count.toLocaleString("en")), badge(state));
}

function bar(row, many) {
  const [name, format] = KINDS[row.type];
  const percent = row.capacitytotal ? (100 * row.capacityused) / row.capacitytotal : 0;
  const level = percent >= 90 ? "bad" : percent >= 75 ? "warn" : "good";
  const meter = h("div", { class: `meter ${level}` }, h("div"));
  meter.firstChild.style.width = `${Math.min(100, Math.max(percent, percent > 0 ? 0.6 : 0))}%`;
  return h(
    "div",
    { class: "bar" },
    h("div", { class: "row between" }, h("span", {}, many ? `${name} in ${row.zonename}` : name), h("strong", {}, `${percent.toFixed(percent < 10 ? 1 : 0)} %`)),
    meter,
    h("small", {}, `${format(row.capacityused)} of ${format(row.capacitytotal)}`),
  );
}
