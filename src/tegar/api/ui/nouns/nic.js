import { yes } from "../format.js";

const addresses = (row) => (row.secondaryip ?? []).map((more) => more.ipaddress).join(", ");

export default {
  key: "nic",
  title: "Network interfaces",
  one: "network interface",
  list: "listNics",
  row: "nic",
  name: (row) => row.ipaddress ?? row.macaddress,
  empty: "This instance has no network interface.",
  columns: [
    { title: "Network", of: (row) => row.networkname, to: (row) => `#/network/${row.networkid}` },
    { title: "Address", of: (row) => row.ipaddress, kind: "mono" },
    { title: "Secondary addresses", of: addresses, kind: "mono" },
    { title: "Gateway", of: (row) => row.gateway, kind: "mono" },
    { title: "Netmask", of: (row) => row.netmask, kind: "mono" },
    { title: "MAC", of: (row) => row.macaddress, kind: "mono" },
    { title: "Default", of: (row) => yes(row.isdefault) },
  ],
  creates: [],
  actions: [
    { command: "updateDefaultNicForVirtualMachine", title: "Make default", sends: { virtualmachineid: "virtualmachineid", nicid: "id" }, when: (row) => !row.isdefault, note: "The guest has its default route and its names by this network when it asks by DHCP again." },
    { command: "addIpToNic", title: "Add address", sends: { nicid: "id" }, asks: ["ipaddress"], when: (row) => row.ipaddress, note: "The guest sets it up by itself. Without an address the network gives one." },
    { command: "removeIpFromNic", title: "Remove address", needs: ["id"], offers: (row) => ({ id: row.secondaryip.map((more) => [more.id, more.ipaddress]) }), danger: true, when: (row) => row.secondaryip?.length },
    { command: "updateVmNicIp", title: "Change address", sends: { nicid: "id" }, asks: ["ipaddress"], when: (row) => row.ipaddress, note: "The instance must be stopped. Without an address the network gives one." },
    { command: "removeNicFromVirtualMachine", title: "Remove", sends: { virtualmachineid: "virtualmachineid", nicid: "id" }, danger: true, when: (row) => !row.isdefault, note: "No rule may lead to it." },
  ],
};
