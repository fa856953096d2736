const ports = (row) => (row.protocol === "icmp" ? `type ${row.icmptype}, code ${row.icmpcode}` : [row.startport, row.endport].filter(Boolean).join(" – "));

export default {
  key: "acl_item",
  title: "Network ACL items",
  one: "network ACL item",
  list: "listNetworkACLs",
  row: "networkacl",
  params: { listall: "true" },
  name: (row) => `${row.aclname} ${row.number}`,
  state: (row) => row.state,
  columns: [
    { title: "Number", of: (row) => row.number, own: true },
    { title: "State", of: (row) => row.state, kind: "state" },
    { title: "Action", of: (row) => row.action },
    { title: "Traffic", of: (row) => row.traffictype },
    { title: "Protocol", of: (row) => row.protocol },
    { title: "Ports", of: ports, kind: "mono" },
    { title: "CIDRs", of: (row) => row.cidrlist, kind: "mono" },
    { title: "List", of: (row) => row.aclname, to: (row) => `#/acl/${row.aclid}` },
  ],
  more: [
    { title: "Reason", of: (row) => row.reason },
    { title: "Id", of: (row) => row.id, kind: "mono" },
  ],
  creates: [],
  actions: [
    { command: "updateNetworkACLItem", title: "Edit", sends: { id: "id" }, asks: ["number", "action", "traffictype", "protocol", "cidrlist", "startport", "endport", "icmptype", "icmpcode", "reason"], options: { action: ["Allow", "Deny"], traffictype: ["Ingress", "Egress"], protocol: ["tcp", "udp", "icmp", "all"] } },
    { command: "deleteNetworkACL", title: "Delete", sends: { id: "id" }, danger: true },
  ],
};
