import { yes } from "../format.js";

export default {
  key: "network_offering",
  title: "Network offerings",
  one: "network offering",
  list: "listNetworkOfferings",
  row: "networkoffering",
  params: {},
  name: (row) => row.name,
  hint: (row) => row.guestiptype,
  state: (row) => row.state,
  columns: [
    { title: "Name", of: (row) => row.name, own: true },
    { title: "State", of: (row) => row.state, kind: "state" },
    { title: "Guest type", of: (row) => row.guestiptype },
    { title: "Description", of: (row) => row.displaytext },
    { title: "Services", of: (row) => row.service?.map((s) => s.name).join(", ") },
    { title: "VLAN chosen by hand", of: (row) => yes(row.specifyvlan) },
  ],
  more: [{ title: "Id", of: (row) => row.id, kind: "mono" }],
  related: [{ noun: "network", by: "networkofferingid" }],
  actions: [
    { command: "updateNetworkOffering", title: "Enable", sends: { id: "id" }, fixed: { state: "Enabled" }, instant: true, when: (row) => row.state === "Disabled" },
    { command: "updateNetworkOffering", title: "Disable", sends: { id: "id" }, fixed: { state: "Disabled" }, instant: true, when: (row) => row.state === "Enabled" },
    { command: "updateNetworkOffering", title: "Change", sends: { id: "id" }, asks: ["name", "displaytext", "availability", "tags"] },
    { command: "deleteNetworkOffering", title: "Delete", sends: { id: "id" }, danger: true, when: (row) => !row.isdefault, note: "No network may have it." },
  ],
};
