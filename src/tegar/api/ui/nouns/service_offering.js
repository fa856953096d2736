import { mebibytes, megahertz, when, yes } from "../format.js";

export default {
  key: "service_offering",
  title: "Compute offerings",
  one: "compute offering",
  list: "listServiceOfferings",
  row: "serviceoffering",
  params: {},
  name: (row) => row.name,
  hint: (row) => (row.iscustomized ? "custom" : `${row.cpunumber} CPU, ${mebibytes(row.memory)}`),
  state: (row) => row.state,
  columns: [
    { title: "Name", of: (row) => row.name, own: true },
    { title: "State", of: (row) => row.state, kind: "state" },
    { title: "CPUs", of: (row) => (row.iscustomized ? "custom" : row.cpunumber), kind: "number" },
    { title: "Speed", of: (row) => megahertz(row.cpuspeed), by: (row) => row.cpuspeed, kind: "number" },
    { title: "Memory", of: (row) => (row.iscustomized ? "custom" : mebibytes(row.memory)), by: (row) => row.memory, kind: "number" },
    { title: "HA", of: (row) => yes(row.offerha) },
    { title: "Host tags", of: (row) => row.hosttags },
    { title: "Storage tags", of: (row) => row.storagetags },
    { title: "Created", of: (row) => when(row.created), kind: "moment" },
  ],
  more: [
    { title: "Description", of: (row) => row.displaytext },
    { title: "Id", of: (row) => row.id, kind: "mono" },
  ],
  related: [{ noun: "vm", by: "serviceofferingid" }],
  creates: [
    { command: "createServiceOffering", title: "Create offering", asks: ["name", "displaytext", "cpunumber", "cpuspeed", "memory", "offerha"], needs: ["displaytext", "cpunumber", "cpuspeed", "memory"] },
  ],
  actions: [
    { command: "deleteServiceOffering", title: "Delete", sends: { id: "id" }, danger: true, note: "Instances that have it keep it." },
  ],
};
