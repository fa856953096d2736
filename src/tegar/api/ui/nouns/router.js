import { when, yes } from "../format.js";

export default {
  key: "router",
  title: "Routers",
  one: "router",
  list: "listRouters",
  row: "router",
  params: { listall: "true" },
  name: (row) => row.name,
  hint: (row) => [row.guestnetworkname, row.publicip].filter(Boolean).join(", "),
  state: (row) => row.state,
  columns: [
    { title: "Name", of: (row) => row.name, own: true },
    { title: "State", of: (row) => row.state, kind: "state" },
    { title: "Role", of: (row) => (row.isredundantrouter ? row.redundantstate : "alone") },
    { title: "Network", of: (row) => row.guestnetworkname, to: (row) => `#/network/${row.guestnetworkid}` },
    { title: "Guests' side", of: (row) => row.guestipaddress, kind: "mono" },
    { title: "Public address", of: (row) => row.publicip, kind: "mono" },
    { title: "Host", of: (row) => row.hostname, to: (row) => row.hostid && `#/host/${row.hostid}` },
    { title: "Ill", of: (row) => yes(row.healthchecksfailed) },
  ],
  more: [
    { title: "Account", of: (row) => row.account },
    { title: "Health", of: (row) => row.healthcheckresults?.map((c) => `${c.checkname}: ${c.success ? "good" : c.details}`).join("; ") },
    { title: "Created", of: (row) => when(row.created), kind: "moment" },
    { title: "Id", of: (row) => row.id, kind: "mono" },
  ],
  actions: [
    { command: "startRouter", title: "Start", sends: { id: "id" } },
    { command: "stopRouter", title: "Stop", sends: { id: "id" }, asks: ["forced"] },
    { command: "rebootRouter", title: "Reboot", sends: { id: "id" }, note: "Of a pair, the other one leads first." },
    { command: "destroyRouter", title: "Destroy", sends: { id: "id" }, danger: true, note: "The next instance that starts in its network brings another." },
  ],
};
