import { when } from "../format.js";

export default {
  key: "disk_offering",
  title: "Disk offerings",
  one: "disk offering",
  list: "listDiskOfferings",
  row: "diskoffering",
  params: {},
  name: (row) => row.name,
  hint: (row) => (row.iscustomized ? "custom size" : `${row.disksize} GB`),
  state: (row) => row.state,
  columns: [
    { title: "Name", of: (row) => row.name, own: true },
    { title: "State", of: (row) => row.state, kind: "state" },
    { title: "Size", of: (row) => (row.iscustomized ? "custom" : `${row.disksize} GB`), by: (row) => row.disksize, kind: "number" },
    { title: "Description", of: (row) => row.displaytext },
    { title: "Storage tags", of: (row) => row.tags },
    { title: "Created", of: (row) => when(row.created), kind: "moment" },
  ],
  more: [{ title: "Id", of: (row) => row.id, kind: "mono" }],
  related: [{ noun: "volume", by: "diskofferingid" }],
};
