export default {
  key: "static_route",
  title: "Static routes",
  one: "static route",
  list: "listStaticRoutes",
  row: "staticroute",
  params: { listall: "true" },
  name: (row) => row.cidr,
  state: (row) => row.state,
  columns: [
    { title: "Destination", of: (row) => row.cidr, kind: "mono", own: true },
    { title: "State", of: (row) => row.state, kind: "state" },
    { title: "Next hop", of: (row) => row.nexthop, kind: "mono" },
    { title: "Private gateway", of: (row) => row.vpcgatewayip, to: (row) => row.vpcgatewayid && `#/private_gateway/${row.vpcgatewayid}` },
  ],
  more: [
    { title: "Account", of: (row) => row.account },
    { title: "Id", of: (row) => row.id, kind: "mono" },
  ],
  creates: [],
  actions: [{ command: "deleteStaticRoute", title: "Delete", sends: { id: "id" }, danger: true }],
};
