import { when, yes } from "../format.js";

export default {
  key: "vpc_offering",
  title: "VPC offerings",
  one: "VPC offering",
  list: "listVPCOfferings",
  row: "vpcoffering",
  name: (row) => row.name,
  state: (row) => row.state,
  columns: [
    { title: "Name", of: (row) => row.name, own: true },
    { title: "State", of: (row) => row.state, kind: "state" },
    { title: "Services", of: (row) => [...new Set(row.service?.map((s) => s.name))].join(", ") },
    { title: "Stock", of: (row) => yes(row.isdefault) },
  ],
  more: [
    { title: "Description", of: (row) => row.displaytext },
    { title: "Created", of: (row) => when(row.created), kind: "moment" },
    { title: "Id", of: (row) => row.id, kind: "mono" },
  ],
  creates: [
    { command: "createVPCOffering", title: "Create VPC offering", asks: ["name", "displaytext", "supportedservices", "enable"] },
  ],
  actions: [
    { command: "updateVPCOffering", title: "Edit", sends: { id: "id" }, asks: ["name", "displaytext", "state"], options: { state: ["Enabled", "Disabled"] } },
    { command: "deleteVPCOffering", title: "Delete", sends: { id: "id" }, danger: true, note: "No VPC may have it." },
  ],
};
