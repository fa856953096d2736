export default {
  key: "acl",
  title: "Network ACL lists",
  one: "network ACL list",
  list: "listNetworkACLLists",
  row: "networkacllist",
  params: { listall: "true" },
  name: (row) => row.name,
  hint: (row) => row.vpcname || "stock",
  columns: [
    { title: "Name", of: (row) => row.name, own: true },
    { title: "Description", of: (row) => row.description },
    { title: "VPC", of: (row) => row.vpcname, to: (row) => row.vpcid && `#/vpc/${row.vpcid}` },
  ],
  more: [{ title: "Id", of: (row) => row.id, kind: "mono" }],
  related: [{ noun: "acl_item", by: "aclid" }],
  creates: [],
  actions: [
    { command: "createNetworkACL", title: "Add item", sends: { aclid: "id" }, asks: ["number", "action", "traffictype", "protocol", "cidrlist", "startport", "endport", "icmptype", "icmpcode", "reason"], options: { action: ["Allow", "Deny"], traffictype: ["Ingress", "Egress"], protocol: ["tcp", "udp", "icmp", "all"] }, when: (row) => row.vpcid },
    { command: "updateNetworkACLList", title: "Edit", sends: { id: "id" }, asks: ["name", "description"], when: (row) => row.vpcid },
    { command: "deleteNetworkACLList", title: "Delete", sends: { id: "id" }, danger: true, note: "No tier and no private gateway may have it.", when: (row) => row.vpcid },
  ],
};
