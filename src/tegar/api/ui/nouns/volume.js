import { bytes, when } from "../format.js";

export default {
  key: "volume",
  title: "Volumes",
  one: "volume",
  list: "listVolumes",
  row: "volume",
  params: { listall: "true" },
  name: (row) => row.name,
  hint: (row) => [bytes(row.size), row.vmname ? `of ${row.vmname}` : "free"].join(", "),
  state: (row) => row.state,
  filter: { title: "Any type", param: "type", values: ["ROOT", "DATADISK"] },
  columns: [
    { title: "Name", of: (row) => row.name, own: true },
    { title: "State", of: (row) => row.state, kind: "state" },
    { title: "Type", of: (row) => row.type },
    { title: "Size", of: (row) => bytes(row.size), by: (row) => row.size, kind: "number" },
    { title: "Instance", of: (row) => row.vmdisplayname ?? row.vmname, to: (row) => `#/vm/${row.virtualmachineid}` },
    { title: "Pool", of: (row) => row.storage, to: (row) => `#/pool/${row.storageid}`, needs: "listStoragePools" },
    { title: "Account", of: (row) => row.account, needs: "listAccounts" },
    { title: "Created", of: (row) => when(row.created), kind: "moment" },
  ],
  more: [
    { title: "Offering", of: (row) => row.diskofferingname ?? row.serviceofferingname },
    { title: "Takes on disk", of: (row) => bytes(row.physicalsize) },
    { title: "Place", of: (row) => row.deviceid },
    { title: "Attached", of: (row) => when(row.attached), kind: "moment" },
    { title: "Zone", of: (row) => row.zonename },
    { title: "Path", of: (row) => row.path, kind: "mono" },
    { title: "Id", of: (row) => row.id, kind: "mono" },
  ],
  related: [{ noun: "event", by: "resourceid", limit: 20 }],
  creates: [
    { command: "createVolume", title: "Create volume", asks: ["name", "zoneid", "diskofferingid", "size"], needs: ["zoneid", "diskofferingid"], note: "Size counts only for a custom offering." },
  ],
  actions: [
    { command: "attachVolume", title: "Attach", sends: { id: "id" }, asks: ["virtualmachineid"], when: (row) => row.type === "DATADISK" && !row.virtualmachineid },
    { command: "detachVolume", title: "Detach", sends: { id: "id" }, bulk: true, when: (row) => row.type === "DATADISK" && Boolean(row.virtualmachineid), note: "Unmount it in the guest first." },
    { command: "deleteVolume", title: "Delete", sends: { id: "id" }, danger: true, bulk: true, when: (row) => row.type === "DATADISK" && !row.virtualmachineid, note: "What is on it is gone for good." },
  ],
};
