import { when } from "../format.js";

export default {
  key: "restart",
  title: "Pending restarts",
  one: "pending restart",
  list: "listPendingRestarts",
  row: "pendingrestart",
  params: {},
  empty: "Nothing waits to be restarted.",
  name: (row) => row.name,
  columns: [
    { title: "Instance", of: (row) => row.name, to: (row) => `#/vm/${row.id}` },
    { title: "Priority", of: (row) => row.priority, kind: "number" },
    { title: "Host", of: (row) => row.hostname, to: (row) => (row.hostid ? `#/host/${row.hostid}` : null) },
    { title: "Since", of: (row) => when(row.since), kind: "moment" },
    { title: "Waits for", of: (row) => row.reason },
  ],
};
