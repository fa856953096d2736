import { when, yes } from "../format.js";

export default {
  key: "address",
  title: "Public addresses",
  one: "public address",
  list: "listPublicIpAddresses",
  row: "publicipaddress",
  params: { listall: "true" },
  name: (row) => row.ipaddress,
  hint: (row) => row.associatednetworkname,
  state: (row) => row.state,
  columns: [
    { title: "Address", of: (row) => row.ipaddress, own: true, kind: "mono" },
    { title: "State", of: (row) => row.state, kind: "state" },
    { title: "Network", of: (row) => row.associatednetworkname, to: (row) => `#/network/${row.associatednetworkid}` },
    { title: "Source NAT", of: (row) => yes(row.issourcenat) },
    { title: "Stands for", of: (row) => row.virtualmachinename, to: (row) => `#/vm/${row.virtualmachineid}` },
    { title: "Account", of: (row) => row.account },
    { title: "Zone", of: (row) => row.zonename, to: (row) => `#/zone/${row.zoneid}` },
  ],
  more: [
    { title: "Inside address", of: (row) => row.vmipaddress, kind: "mono" },
    { title: "Has rules", of: (row) => yes(row.hasrules) },
    { title: "Acquired", of: (row) => when(row.allocated), kind: "moment" },
    { title: "Id", of: (row) => row.id, kind: "mono" },
  ],
  related: [
    { noun: "firewall", by: "ipaddressid" },
    { noun: "forwarding", by: "ipaddressid" },
    { noun: "balancer", by: "publicipid" },
  ],
  creates: [{ command: "associateIpAddress", title: "Acquire address", asks: ["networkid", "ipaddress"] }],
  actions: [
    { command: "enableStaticNat", title: "Stand for an instance", sends: { ipaddressid: "id" }, asks: ["virtualmachineid", "vmguestip"], when: (row) => !row.isstaticnat && !row.issourcenat },
    { command: "disableStaticNat", title: "Stand for nobody", sends: { ipaddressid: "id" }, when: (row) => row.isstaticnat, note: "Its rules end." },
    { command: "disassociateIpAddress", title: "Release", sends: { id: "id" }, danger: true, when: (row) => !row.issourcenat, note: "All its rules end." },
  ],
};
