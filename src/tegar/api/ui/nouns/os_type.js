export default {
  key: "os_type",
  title: "Systems",
  one: "system",
  list: "listOsTypes",
  row: "ostype",
  params: {},
  name: (row) => row.description,
  columns: [{ title: "System", of: (row) => row.description, own: true }],
};
