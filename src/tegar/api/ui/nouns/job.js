import { when } from "../format.js";

const STATES = ["Running", "Completed", "Failed"];

export default {
  key: "job",
  title: "Jobs",
  one: "job",
  list: "listAsyncJobs",
  row: "asyncjobs",
  idField: "jobid",
  params: { listall: "true" },
  name: (row) => row.cmd,
  state: (row) => STATES[row.jobstatus],
  empty: "Nothing is being worked on. What has ended is among the events.",
  columns: [
    { title: "Begun", of: (row) => when(row.created), kind: "moment" },
    { title: "Command", of: (row) => row.cmd, kind: "mono" },
    { title: "State", of: (row) => STATES[row.jobstatus], kind: "state" },
    { title: "On", of: (row) => row.jobinstancetype },
    { title: "Id of it", of: (row) => row.jobinstanceid, kind: "mono" },
    { title: "Account", of: (row) => row.account },
    { title: "Job", of: (row) => row.jobid, kind: "mono" },
  ],
};
