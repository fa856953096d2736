// Looking again, politely: only while somebody can see it, never twice at once, less often when nobody answers.

export const PERIOD_S = 5;
const LONGEST_S = 60;

/** Run work now and every few seconds while the page is visible; returns ``{now, stop}``. */
export function watch(work) {
  let timer = 0;
  let running = false;
  let again = false;
  let stopped = false;
  let failures = 0;

  async function round() {
    clearTimeout(timer);
    if (stopped) return;
    if (running) {
      again = true;
      return;
    }
    running = true;
    try {
      await work();
      failures = 0;
    } catch {
      failures += 1;
    }
    running = false;
    if (stopped) return;
    if (again) {
      again = false;
      round();
    } else if (!document.hidden) {
      timer = setTimeout(round, Math.min(PERIOD_S * 2 ** Math.min(failures, 4), LONGEST_S) * 1000);
    }
  }

  function seen() {
    if (document.hidden) clearTimeout(timer);
    else round();
  }

  document.addEventListener("visibilitychange", seen);
  document.addEventListener("tegar:changed", round);
  round();
  return {
    now: round,
    stop() {
      stopped = true;
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", seen);
      document.removeEventListener("tegar:changed", round);
    },
  };
}

/** Say that something was changed from here, so that what is shown should be looked at again. */
export function changed() {
  document.dispatchEvent(new Event("tegar:changed"));
}
