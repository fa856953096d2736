import { when, yes } from "../format.js";

export default {
  key: "vpc",
  title: "VPCs",
  one: "VPC",
  list: "listVPCs",
  row: "vpc",
  params: { listall: "true" },
  name: (row) => row.name,
  hint: (row) => row.cidr,
  state: (row) => row.state,
  columns: [
    { title: "Name", of: (row) => row.name, own: true },
    { title: "State", of: (row) => row.state, kind: "state" },
    { title: "CIDR", of: (row) => row.cidr, kind: "mono" },
    { title: "Tiers", of: (row) => (row.network || []).length },
    { title: "Pair of routers", of: (row) => yes(row.redundantvpcrouter) },
    { title: "Account", of: (row) => row.account },
    { title: "Zone", of: (row) => row.zonename, to: (row) => `#/zone/${row.zoneid}` },
  ],
  more: [
    { title: "Description", of: (row) => row.displaytext },
    { title: "Domain of names", of: (row) => row.networkdomain, kind: "mono" },
    { title: "Offering", of: (row) => row.vpcofferingname },
    { title: "Services", of: (row) => row.service?.map((s) => s.name).join(", ") },
    { title: "Created", of: (row) => when(row.created), kind: "moment" },
    { title: "Id", of: (row) => row.id, kind: "mono" },
  ],
  related: [
    { noun: "network", by: "vpcid" },
    { noun: "acl", by: "vpcid" },
    { noun: "private_gateway", by: "vpcid" },
    { noun: "static_route", by: "vpcid" },
  ],
  creates: [
    { command: "createVPC", title: "Create VPC", asks: ["name", "displaytext", "zoneid", "vpcofferingid", "cidr", "networkdomain"] },
  ],
  actions: [
    { command: "createNetwork", title: "Add tier", sends: { vpcid: "id", zoneid: "zoneid" }, asks: ["name", "networkofferingid", "gateway", "netmask", "aclid"] },
    { command: "createNetworkACLList", title: "Add ACL list", sends: { vpcid: "id" }, asks: ["name", "description"] },
    { command: "createPrivateGateway", title: "Add private gateway", sends: { vpcid: "id" }, asks: ["ipaddress", "gateway", "netmask", "vlan", "physicalnetworkid", "aclid", "sourcenatsupported"] },
    { command: "updateVPC", title: "Edit", sends: { id: "id" }, asks: ["name", "displaytext"] },
    { command: "restartVPC", title: "Restart", sends: { id: "id" }, asks: ["cleanup", "makeredundant"], note: "Its routers are told all anew; with cleanup they are built from nothing." },
    { command: "deleteVPC", title: "Delete", sends: { id: "id" }, danger: true, note: "It must have no tiers. Its ACL lists, gateways, routes and addresses go with it." },
  ],
};
