import { bytes, when } from "../format.js";

const part = (used, all) => (all ? `${((100 * used) / all).toFixed(1)} %` : "");

export default {
  key: "pool",
  title: "Storage pools",
  one: "storage pool",
  list: "listStoragePools",
  row: "storagepool",
  params: {},
  name: (row) => row.name,
  hint: (row) => row.type,
  state: (row) => row.state,
  columns: [
    { title: "Name", of: (row) => row.name, own: true },
    { title: "State", of: (row) => row.state, kind: "state" },
    { title: "Type", of: (row) => row.type },
    { title: "Scope", of: (row) => [row.scope, row.clustername].filter(Boolean).join(" ") },
    { title: "Size", of: (row) => bytes(row.disksizetotal), by: (row) => row.disksizetotal, kind: "number" },
    { title: "Used", of: (row) => part(row.disksizeused, row.disksizetotal), by: (row) => row.disksizeused, kind: "number" },
    { title: "Promised", of: (row) => bytes(row.disksizeallocated), by: (row) => row.disksizeallocated, kind: "number" },
    { title: "Where", of: (row) => [row.ipaddress, row.path].filter(Boolean).join(":"), kind: "mono" },
  ],
  more: [
    { title: "Overprovisioning", of: (row) => row.overprovisionfactor },
    { title: "Tags", of: (row) => row.tags },
    { title: "Pod", of: (row) => row.podname },
    { title: "Zone", of: (row) => row.zonename },
    { title: "Added", of: (row) => when(row.created), kind: "moment" },
    { title: "Id", of: (row) => row.id, kind: "mono" },
  ],
  related: [{ noun: "volume", by: "storageid", without: ["Pool"] }],
  creates: [
    { command: "createStoragePool", title: "Add pool", asks: ["name", "url", "zoneid", "scope", "podid", "clusterid"], options: { scope: ["CLUSTER", "ZONE"] } },
  ],
  actions: [
    { command: "deleteStoragePool", title: "Delete", sends: { id: "id" }, asks: ["forced"], danger: true },
  ],
};
