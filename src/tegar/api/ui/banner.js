// What operators must not miss, above every page: failovers would not hold as they are.

import { list, may } from "./client.js";
import { fill, h } from "./dom.js";
import { watch } from "./refresh.js";

const EVERY_MS = 30_000;

/** Return ``{element, stop}``: a red banner, hidden while all is good or the user is no operator. */
export function banner() {
  const element = h("div", { class: "banner", role: "alert", hidden: true });
  let lookedAt = -EVERY_MS;

  async function look() {
    if (Date.now() - lookedAt < EVERY_MS) return;
    lookedAt = Date.now();
    const lines = (await Promise.all([failedCheck(), brokenPromises()])).flat();
    element.hidden = !lines.length;
    fill(element, lines);
  }

  const loop = watch(look);
  return { element, stop: loop.stop };
}

async function failedCheck() {
  if (!may("listHighAvailabilityChecks")) return [];
  const { rows } = await list("listHighAvailabilityChecks", "highavailabilitycheckrun", { page: 1, pagesize: 5 });
  const last = rows.find((row) => row.ended);
  if (!last || last.good) return [];
  const first = last.finding.find((found) => !found.good);
  return [
    h("p", {}, h("strong", {}, "The last check of high availability failed. "), `${first.subject}, ${first.what}: ${first.reason}. `,
      h("a", { href: `#/check/${last.id}` }, last.bad > 1 ? `All ${last.bad} that are bad` : "What was looked at")),
  ];
}

async function brokenPromises() {
  if (!may("checkHighAvailability")) return [];
  const { rows } = await list("checkHighAvailability", "highavailabilitycheck", {});
  return rows.filter((row) => !row.hostid && row.promised > 0 && !row.survivable).map((row) =>
    h("p", {}, h("strong", {}, `Cluster ${row.clustername} cannot keep its promise to lose ${row.promised} ${row.promised === 1 ? "host" : "hosts"}: `),
      `${row.reason}. `, h("a", { href: "#/failover" }, "What if")));
}
