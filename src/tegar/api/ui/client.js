// The API as this page uses it.  Every request is a POST, so neither a session key nor a password stands in a URL.

const ENDPOINT = "/client/api";
const REMEMBERED = "tegar.session";
const LONGEST_PAUSE_MS = 2000;

let session = read();
let apis = new Map();
let onSignedOut = () => {};

/** The API said no; ``message`` is what it said. */
export class ApiError extends Error {
  constructor(code, text) {
    super(text);
    this.code = code;
  }
}

function read() {
  try {
    return JSON.parse(localStorage.getItem(REMEMBERED));
  } catch {
    return null;
  }
}

function remember(next) {
  session = next;
  if (next) localStorage.setItem(REMEMBERED, JSON.stringify(next));
  else localStorage.removeItem(REMEMBERED);
}

async function send(words) {
  let response;
  try {
    response = await fetch(ENDPOINT, {
      method: "POST",
      credentials: "same-origin",
      body: new URLSearchParams({ ...words, response: "json" }),
    });
  } catch {
    throw new ApiError(0, "The management server does not answer");
  }
  let inner;
  try {
    inner = Object.values(await response.json())[0];
  } catch {
    throw new ApiError(response.status, `The management server answered with status ${response.status} and no words`);
  }
  if (!response.ok || inner.errorcode) throw new ApiError(inner.errorcode ?? response.status, inner.errortext ?? "It failed");
  return inner;
}

/** Who is signed in, null for nobody: username, account, sessionkey, isAdmin. */
export function who() {
  return session;
}

/** What the signed-in user may do, by command name; from listApis. */
export function api(command) {
  return apis.get(command);
}

/** Whether the signed-in user may use a command. */
export function may(command) {
  return apis.has(command);
}

/** Be told when the session ends, here or in another tab. */
export function whenSignedOut(tell) {
  onSignedOut = tell;
  window.addEventListener("storage", (e) => {
    if (e.key !== REMEMBERED) return;
    session = read();
    if (!session) tell("");
  });
}

/** Sign in.  The cookies do the authenticating; the session key proves that this page asks. */
export async function signIn(username, password, domain) {
  const inner = await send({ command: "login", username, password, domain: domain || "/" });
  remember({
    sessionkey: inner.sessionkey,
    username: inner.username,
    account: inner.account,
    isAdmin: inner.type === "1",
  });
  await learn();
}

/** Ask which commands there are for this user, once per page load. */
export async function learn() {
  const inner = await call("listApis", {});
  apis = new Map(inner.api.map((one) => [one.name, one]));
}

/** Sign out; an error does not matter, for the session is forgotten here anyway. */
export async function signOut() {
  const key = session?.sessionkey;
  remember(null);
  apis = new Map();
  try {
    await send({ command: "logout", sessionkey: key });
  } catch {
    // gone already
  }
}

/** Send a command; parameters that are null or undefined are not sent. */
export async function call(command, params) {
  const given = Object.entries(params).filter(([, value]) => value !== null && value !== undefined);
  try {
    return await send({ ...Object.fromEntries(given), command, sessionkey: session?.sessionkey ?? "" });
  } catch (e) {
    const ended = e.code === 401 && !e.message.startsWith("The given command");
    if (ended && session) {
      remember(null);
      onSignedOut("Your session has ended. Please sign in again.");
    }
    throw e;
  }
}

/** Return one page of a list: its rows and how many there are in all. */
export async function list(command, key, params) {
  const inner = await call(command, params);
  return { rows: inner[key] ?? [], total: inner.count ?? 0 };
}

/** Send a command and, when it is a job, follow that to its end; return the result. */
export async function perform(command, params, onAccepted = () => {}) {
  const inner = await call(command, params);
  onAccepted(inner);
  return inner.jobid ? follow(inner.jobid) : inner;
}

async function follow(jobid) {
  for (let pauseMs = 200; ; pauseMs = Math.min(pauseMs * 1.4, LONGEST_PAUSE_MS)) {
    let job = { jobstatus: 0 };
    try {
      job = await call("queryAsyncJobResult", { jobid: jobid });
    } catch (e) {
      if (e.code !== 0) throw e; // a lost answer is not a "no": the job goes on, so does the asking
    }
    if (job.jobstatus === 1) return job.jobresult;
    if (job.jobstatus === 2) throw new ApiError(job.jobresultcode, job.jobresult?.errortext ?? "The job failed");
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
}
