import { when, yes } from "../format.js";

export default {
  key: "network",
  title: "Networks",
  one: "network",
  list: "listNetworks",
  row: "network",
  params: { listall: "true" },
  name: (row) => row.name,
  hint: (row) => [row.type, row.cidr].filter(Boolean).join(", "),
  state: (row) => row.state,
  columns: [
    { title: "Name", of: (row) => row.name, own: true },
    { title: "State", of: (row) => row.state, kind: "state" },
    { title: "Type", of: (row) => row.type },
    { title: "CIDR", of: (row) => row.cidr, kind: "mono" },
    { title: "Gateway", of: (row) => row.gateway, kind: "mono" },
    { title: "VLAN", of: (row) => row.vlan, kind: "mono" },
    { title: "Offering", of: (row) => row.networkofferingname, to: (row) => `#/network_offering/${row.networkofferingid}` },
    { title: "Zone", of: (row) => row.zonename, to: (row) => `#/zone/${row.zoneid}` },
  ],
  more: [
    { title: "Description", of: (row) => row.displaytext },
    { title: "Domain of names", of: (row) => row.networkdomain, kind: "mono" },
    { title: "Services", of: (row) => row.service?.map((s) => s.name).join(", ") },
    { title: "Who may use it", of: (row) => [row.acltype, row.account].filter(Boolean).join(" ") },
    { title: "Restart required", of: (row) => yes(row.restartrequired) },
    { title: "Created", of: (row) => when(row.created), kind: "moment" },
    { title: "Id", of: (row) => row.id, kind: "mono" },
  ],
  related: [{ noun: "vm", by: "networkid" }, { noun: "router", by: "networkid" }],
  creates: [
    { command: "createNetwork", title: "Create network", asks: ["name", "displaytext", "zoneid", "networkofferingid", "physicalnetworkid", "vlan", "gateway", "netmask", "startip", "endip"] },
  ],
  actions: [
    { command: "updateNetwork", title: "Change", sends: { id: "id" }, asks: ["name", "displaytext", "networkdomain", "dns1", "dns2", "networkofferingid"] },
    { command: "restartNetwork", title: "Restart", sends: { id: "id" }, asks: ["cleanup", "makeredundant"], when: (row) => ["Implemented", "Setup"].includes(row.state), note: "With cleanup its routers are built from nothing." },
    { command: "deleteNetwork", title: "Delete", sends: { id: "id" }, danger: true, note: "No instance may be in it." },
  ],
};
