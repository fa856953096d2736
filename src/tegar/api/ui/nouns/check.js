import { when } from "../format.js";

const worst = (row) => (row.finding || []).find((found) => !found.good);

export default {
  key: "check",
  title: "Checks",
  one: "check",
  list: "listHighAvailabilityChecks",
  row: "highavailabilitycheckrun",
  params: {},
  empty: "Nothing was checked yet: it is done each night.",
  name: (row) => when(row.created),
  state: (row) => (row.ended ? (row.good ? "Good" : "Failed") : "Started"),
  columns: [
    { title: "Asked for", of: (row) => when(row.created), kind: "moment", own: true },
    { title: "State", of: (row) => (row.ended ? (row.good ? "Good" : "Failed") : "Started"), kind: "state" },
    { title: "Looked at", of: (row) => row.total, kind: "number" },
    { title: "Bad", of: (row) => row.bad, kind: "number" },
    { title: "First of them", of: (row) => worst(row) && `${worst(row).subject}, ${worst(row).what}: ${worst(row).reason}` },
  ],
  more: [
    { title: "Ended", of: (row) => when(row.ended), kind: "moment" },
    { title: "Id", of: (row) => row.id, kind: "mono" },
  ],
  parts: [
    {
      title: "What was looked at",
      of: (row) => row.finding,
      columns: [
        { title: "Of", of: (found) => found.subject },
        { title: "What", of: (found) => found.what },
        { title: "", of: (found) => (found.good ? "Good" : "Failed"), kind: "state" },
        { title: "Shown", of: (found) => found.shown },
        { title: "Why", of: (found) => found.reason },
      ],
    },
  ],
  creates: [
    { command: "runHighAvailabilityCheck", title: "Check now", asks: [], note: "It looks at leases, witnesses, wardens, power, room and clocks, and touches nothing." },
  ],
};
