import { when } from "../format.js";

export default {
  key: "witness",
  title: "Witnesses",
  one: "witness",
  many: "witnesses",
  list: "listWitnesses",
  row: "witness",
  params: {},
  name: (row) => row.name,
  columns: [
    { title: "Name", of: (row) => row.name, own: true },
    { title: "Address", of: (row) => row.address, kind: "mono" },
    { title: "Port", of: (row) => row.port, kind: "number" },
    { title: "Cluster", of: (row) => row.clustername || "all without their own", to: (row) => (row.clusterid ? `#/cluster/${row.clusterid}` : null) },
    { title: "Added", of: (row) => when(row.created), kind: "moment" },
  ],
  more: [{ title: "Id", of: (row) => row.id, kind: "mono" }],
  creates: [
    { command: "createWitness", title: "Add witness", asks: ["name", "address", "port", "clusterid"], note: "Only while no host holds a lease by the set that changes." },
  ],
  actions: [
    { command: "deleteWitness", title: "Delete", sends: { id: "id" }, danger: true, note: "Only while no host holds a lease by the set that changes." },
  ],
};
