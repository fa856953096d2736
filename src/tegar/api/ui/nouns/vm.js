import { mebibytes, megahertz, when, yes } from "../format.js";
import host from "./host.js";
import volume from "./volume.js";

const is = (...states) => (row) => states.includes(row.state);

export default {
  key: "vm",
  title: "Instances",
  one: "instance",
  list: "listVirtualMachines",
  row: "virtualmachine",
  params: { listall: "true" },
  name: (row) => row.displayname || row.name,
  hint: (row) => row.state,
  state: (row) => row.state,
  empty: "There are no instances yet. Deploy the first one.",
  filter: {
    title: "Any state",
    param: "state",
    values: ["Running", "Stopped", "Starting", "Stopping", "Migrating", "Destroyed", "Error"],
  },
  columns: [
    { title: "Name", of: (row) => row.displayname || row.name, own: true },
    { title: "State", of: (row) => row.state, kind: "state" },
    { title: "Address", of: (row) => row.nic?.[0]?.ipaddress ?? row.ipaddress, kind: "mono" },
    { title: "Host", of: (row) => row.hostname, to: (row) => `#/host/${row.hostid}`, needs: "listHosts" },
    { title: "CPUs", of: (row) => row.cpunumber, kind: "number" },
    { title: "Memory", of: (row) => mebibytes(row.memory), by: (row) => row.memory, kind: "number" },
    { title: "Template", of: (row) => row.templatename, to: (row) => `#/template/${row.templateid}` },
    { title: "Account", of: (row) => row.account, needs: "listAccounts" },
    { title: "Created", of: (row) => when(row.created), kind: "moment" },
  ],
  more: [
    { title: "Host name", of: (row) => row.name, kind: "mono" },
    { title: "Offering", of: (row) => row.serviceofferingname, to: (row) => `#/service_offering/${row.serviceofferingid}` },
    { title: "CPU speed", of: (row) => megahertz(row.cpuspeed) },
    { title: "Zone", of: (row) => row.zonename, to: (row) => `#/zone/${row.zoneid}` },
    { title: "Hypervisor", of: (row) => row.hypervisor },
    { title: "Name there", of: (row) => row.instancename, kind: "mono" },
    { title: "SSH keys", of: (row) => row.keypairs },
    { title: "Restarted when its host dies", of: (row) => yes(row.haenable) },
    { title: "Protected from deletion", of: (row) => yes(row.deleteprotection) },
    { title: "Group", of: (row) => row.group },
    { title: "Security groups", of: (row) => (row.securitygroup ?? []).map((group) => group.name).join(", ") },
    { title: "Affinity groups", of: (row) => (row.affinitygroup ?? []).map((group) => group.name).join(", ") },
    { title: "Id", of: (row) => row.id, kind: "mono" },
  ],
  parts: [
    {
      title: "Network interfaces",
      of: (row) => row.nic,
      columns: [
        { title: "Network", of: (nic) => nic.networkname, to: (nic) => `#/network/${nic.networkid}` },
        { title: "Address", of: (nic) => nic.ipaddress, kind: "mono" },
        { title: "Gateway", of: (nic) => nic.gateway, kind: "mono" },
        { title: "Netmask", of: (nic) => nic.netmask, kind: "mono" },
        { title: "MAC", of: (nic) => nic.macaddress, kind: "mono" },
        { title: "Default", of: (nic) => yes(nic.isdefault) },
      ],
    },
  ],
  related: [
    { noun: "volume", by: "virtualmachineid", without: ["Instance"] },
    { noun: "event", by: "resourceid", limit: 20 },
  ],
  creates: [{ command: "deployVirtualMachine", title: "Deploy instance", page: "#/deploy" }],
  actions: [
    { command: "startVirtualMachine", title: "Start", sends: { id: "id" }, instant: true, bulk: true, when: is("Stopped") },
    { command: "startVirtualMachine", title: "Start on host…", sends: { id: "id" }, asks: ["hostid"], needs: ["hostid"], needsCommand: "listHosts", when: is("Stopped") },
    { command: "stopVirtualMachine", title: "Stop", sends: { id: "id" }, asks: ["forced"], bulk: true, when: is("Running"), note: "The guest is asked to shut down. Forced ends it at once, like pulling the plug." },
    { command: "rebootVirtualMachine", title: "Reboot", sends: { id: "id" }, asks: ["forced"], bulk: true, when: is("Running") },
    { command: "migrateVirtualMachine", title: "Migrate", sends: { virtualmachineid: "id" }, asks: ["hostid"], bulk: true, when: is("Running"), note: "It moves live. Without a host the scheduler chooses one.", picks: (row) => ({ hostid: { noun: host, params: { virtualmachineid: row.id } } }) },
    { command: "attachVolume", title: "Attach volume", sends: { virtualmachineid: "id" }, asks: ["id"], when: is("Running", "Stopped"), picks: () => ({ id: { noun: volume, params: { type: "DATADISK" } } }) },
    { command: "updateVirtualMachine", title: "Change", sends: { id: "id" }, asks: ["displayname", "haenable"] },
    { command: "updateVirtualMachine", title: "Security groups", sends: { id: "id" }, asks: ["securitygroupids"], when: (row) => row.state === "Stopped" && (row.securitygroup ?? []).length > 0, note: "It is in those that are chosen and in no others." },
    { command: "updateVMAffinityGroup", title: "Affinity groups", sends: { id: "id" }, asks: ["affinitygroupids"], when: is("Stopped"), note: "It is in those that are chosen and in no others." },
    { command: "recoverVirtualMachine", title: "Recover", sends: { id: "id" }, instant: true, bulk: true, when: is("Destroyed") },
    { command: "destroyVirtualMachine", title: "Destroy", sends: { id: "id" }, asks: ["expunge"], danger: true, bulk: true, when: is("Running", "Stopped", "Error"), note: "A destroyed instance can be recovered until it is expunged. With expunge nothing is left of it." },
    { command: "expungeVirtualMachine", title: "Expunge", sends: { id: "id" }, danger: true, bulk: true, when: is("Destroyed", "Error"), note: "It is removed with its disks, for good." },
  ],
};
