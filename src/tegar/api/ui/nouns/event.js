import { when } from "../format.js";

const KEYS = { VirtualMachine: "vm", Volume: "volume", Host: "host", Network: "network", Template: "template", StoragePool: "pool" };

export default {
  key: "event",
  title: "Events",
  one: "event",
  list: "listEvents",
  row: "event",
  params: { listall: "true" },
  name: (row) => row.type,
  state: (row) => row.level,
  filter: { title: "Any level", param: "level", values: ["INFO", "WARN", "ERROR"] },
  columns: [
    { title: "When", of: (row) => when(row.created), own: true, kind: "moment" },
    { title: "Level", of: (row) => row.level, kind: "state" },
    { title: "What", of: (row) => row.type, kind: "mono" },
    { title: "Description", of: (row) => row.description, to: (row) => (KEYS[row.resourcetype] && row.resourceid ? `#/${KEYS[row.resourcetype]}/${row.resourceid}` : null) },
    { title: "State", of: (row) => row.state },
    { title: "User", of: (row) => row.username },
    { title: "Account", of: (row) => row.account },
  ],
  more: [{ title: "Id", of: (row) => row.id, kind: "mono" }],
};
