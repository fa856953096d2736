import { yes } from "../format.js";

export default {
  key: "private_gateway",
  title: "Private gateways",
  one: "private gateway",
  list: "listPrivateGateways",
  row: "privategateway",
  params: { listall: "true" },
  name: (row) => row.ipaddress,
  hint: (row) => row.vpcname,
  state: (row) => row.state,
  columns: [
    { title: "Address", of: (row) => row.ipaddress, kind: "mono", own: true },
    { title: "State", of: (row) => row.state, kind: "state" },
    { title: "Gateway", of: (row) => row.gateway, kind: "mono" },
    { title: "Netmask", of: (row) => row.netmask, kind: "mono" },
    { title: "VLAN", of: (row) => row.vlan, kind: "mono" },
    { title: "VPC", of: (row) => row.vpcname, to: (row) => `#/vpc/${row.vpcid}` },
    { title: "ACL list", of: (row) => row.aclname, to: (row) => row.aclid && `#/acl/${row.aclid}` },
  ],
  more: [
    { title: "Source NAT", of: (row) => yes(row.sourcenatsupported) },
    { title: "Account", of: (row) => row.account },
    { title: "Id", of: (row) => row.id, kind: "mono" },
  ],
  related: [{ noun: "static_route", by: "gatewayid" }],
  creates: [],
  actions: [
    { command: "createStaticRoute", title: "Add static route", sends: { gatewayid: "id" }, asks: ["cidr"] },
    { command: "replaceNetworkACLList", title: "Change ACL list", sends: { gatewayid: "id" }, asks: ["aclid"] },
    { command: "deletePrivateGateway", title: "Delete", sends: { id: "id" }, danger: true, note: "No static route may lead through it." },
  ],
};
