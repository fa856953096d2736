import { when } from "../format.js";

export default {
  key: "proof",
  title: "Proofs of death",
  one: "proof",
  list: "listDeathProofs",
  row: "deathproof",
  params: {},
  name: (row) => row.proof,
  columns: [
    { title: "When", of: (row) => when(row.at), kind: "moment" },
    { title: "Proof", of: (row) => row.proof },
    { title: "Host", of: (row) => row.hostname, to: (row) => `#/host/${row.hostid}` },
    { title: "Instance", of: (row) => row.virtualmachinename, to: (row) => (row.virtualmachineid ? `#/vm/${row.virtualmachineid}` : null) },
    { title: "Epoch", of: (row) => row.epoch, kind: "number" },
    { title: "Evidence", of: (row) => row.evidence },
  ],
};
