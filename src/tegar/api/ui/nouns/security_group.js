const ports = (rule) => (rule.protocol === "icmp" ? `type ${rule.icmptype}, code ${rule.icmpcode}` : [rule.startport, rule.endport].filter(Boolean).join(" – "));
const peer = (rule) => rule.cidr ?? `${rule.securitygroupname} of ${rule.account}`;
const words = (rule) => [rule.ruleid, [rule.protocol, ports(rule), peer(rule)].filter(Boolean).join(" · ")];
const columns = (where) => [
  { title: "Protocol", of: (rule) => rule.protocol },
  { title: "Ports", of: ports, kind: "mono" },
  { title: where, of: peer, kind: "mono" },
  { title: "Id", of: (rule) => rule.ruleid, kind: "mono" },
];
const some = (key) => (row) => (row[key] ?? []).length > 0;

export default {
  key: "security_group",
  title: "Security groups",
  one: "security group",
  list: "listSecurityGroups",
  row: "securitygroup",
  params: { listall: "true" },
  name: (row) => row.name,
  columns: [
    { title: "Name", of: (row) => row.name, own: true },
    { title: "Description", of: (row) => row.description },
    { title: "Instances", of: (row) => row.virtualmachinecount, kind: "number" },
    { title: "Rules in", of: (row) => (row.ingressrule ?? []).length, kind: "number" },
    { title: "Rules out", of: (row) => (row.egressrule ?? []).length, kind: "number" },
    { title: "Account", of: (row) => row.account, needs: "listAccounts" },
  ],
  more: [{ title: "Id", of: (row) => row.id, kind: "mono" }],
  parts: [
    { title: "May come in", of: (row) => row.ingressrule, columns: columns("From") },
    { title: "May go out", of: (row) => row.egressrule, columns: columns("To") },
  ],
  related: [{ noun: "vm", by: "securitygroupid" }],
  creates: [{ command: "createSecurityGroup", title: "Add security group", asks: ["name", "description"] }],
  actions: [
    { command: "authorizeSecurityGroupIngress", title: "Let in", sends: { securitygroupid: "id" }, asks: ["protocol", "startport", "endport", "icmptype", "icmpcode", "cidrlist"], options: { protocol: ["tcp", "udp", "icmp", "all"] }, note: "Nothing else comes in." },
    { command: "authorizeSecurityGroupEgress", title: "Let out", sends: { securitygroupid: "id" }, asks: ["protocol", "startport", "endport", "icmptype", "icmpcode", "cidrlist"], options: { protocol: ["tcp", "udp", "icmp", "all"] }, note: "All goes out until the first of these rules: then only what they name." },
    { command: "revokeSecurityGroupIngress", title: "Revoke in", asks: ["id"], offers: (row) => ({ id: row.ingressrule.map(words) }), when: some("ingressrule"), danger: true, note: "What is connected stays so." },
    { command: "revokeSecurityGroupEgress", title: "Revoke out", asks: ["id"], offers: (row) => ({ id: row.egressrule.map(words) }), when: some("egressrule"), danger: true, note: "Without any such rule all goes out." },
    { command: "updateSecurityGroup", title: "Rename", sends: { id: "id" }, asks: ["name"], when: (row) => row.name !== "default" },
    { command: "deleteSecurityGroup", title: "Delete", sends: { id: "id" }, danger: true, when: (row) => row.name !== "default", note: "No instance may be in it, and no rule of another group name it." },
  ],
};
