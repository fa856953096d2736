export default {
  key: "image_store",
  title: "Image stores",
  one: "image store",
  list: "listImageStores",
  row: "imagestore",
  params: {},
  name: (row) => row.name,
  columns: [
    { title: "Name", of: (row) => row.name, own: true },
    { title: "Provider", of: (row) => row.providername },
    { title: "Where", of: (row) => row.url, kind: "mono" },
    { title: "Zone", of: (row) => row.zonename, to: (row) => `#/zone/${row.zoneid}` },
  ],
  more: [{ title: "Id", of: (row) => row.id, kind: "mono" }],
  creates: [
    { command: "addImageStore", title: "Add image store", asks: ["name", "provider", "url", "zoneid"], needs: ["zoneid", "url"], options: { provider: ["NFS", "Local"] } },
  ],
  actions: [
    { command: "deleteImageStore", title: "Delete", sends: { id: "id" }, danger: true },
  ],
};
