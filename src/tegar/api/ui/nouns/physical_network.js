export default {
  key: "physical_network",
  title: "Physical networks",
  one: "physical network",
  list: "listPhysicalNetworks",
  row: "physicalnetwork",
  params: {},
  name: (row) => row.name,
  state: (row) => row.state,
  columns: [
    { title: "Name", of: (row) => row.name, own: true },
    { title: "State", of: (row) => row.state, kind: "state" },
    { title: "VLANs", of: (row) => row.vlan, kind: "mono" },
  ],
};
