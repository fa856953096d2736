const ports = (first, last) => (first === last ? first : `${first}–${last}`);

export default {
  key: "forwarding",
  title: "Port forwarding",
  one: "port forwarding rule",
  list: "listPortForwardingRules",
  row: "portforwardingrule",
  params: { listall: "true" },
  name: (row) => `${row.ipaddress}:${row.publicport}`,
  state: (row) => row.state,
  columns: [
    { title: "Address", of: (row) => row.ipaddress, own: true, kind: "mono" },
    { title: "State", of: (row) => row.state, kind: "state" },
    { title: "Protocol", of: (row) => row.protocol },
    { title: "Public ports", of: (row) => ports(row.publicport, row.publicendport) },
    { title: "Private ports", of: (row) => ports(row.privateport, row.privateendport) },
    { title: "Instance", of: (row) => row.virtualmachinename, to: (row) => `#/vm/${row.virtualmachineid}` },
  ],
  more: [
    { title: "Inside address", of: (row) => row.vmguestip, kind: "mono" },
    { title: "From", of: (row) => row.cidrlist, kind: "mono" },
    { title: "Id", of: (row) => row.id, kind: "mono" },
  ],
  creates: [
    { command: "createPortForwardingRule", title: "Forward ports", asks: ["ipaddressid", "protocol", "publicport", "publicendport", "privateport", "privateendport", "virtualmachineid", "cidrlist"], options: { protocol: ["tcp", "udp"] } },
  ],
  actions: [
    { command: "updatePortForwardingRule", title: "Change", sends: { id: "id" }, asks: ["privateport", "virtualmachineid"] },
    { command: "deletePortForwardingRule", title: "Delete", sends: { id: "id" }, danger: true, note: "The firewall is closed that was opened for it." },
  ],
};
