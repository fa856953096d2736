// Doing what a noun's table says can be done: ask what is missing, send it, follow it, say how it went.

import { may, perform } from "./client.js";
import { reveal } from "./dialog.js";
import { commandForm } from "./form.js";
import { counted } from "./format.js";
import { changed } from "./refresh.js";
import { toast } from "./toast.js";

/** Return the actions that the user may do on all of these rows. */
export function possible(noun, rows) {
  return (noun.actions ?? []).filter((a) => allowed(a) && rows.length && rows.every((row) => !a.when || a.when(row)));
}

function allowed(action) {
  return may(action.command) && (!action.needsCommand || may(action.needsCommand));
}

/** Return the actions that make something new. */
export function creating(noun) {
  return (noun.creates ?? []).filter((a) => may(a.command));
}

/** Do an action on rows (none for one that creates), asking first unless it is instant. */
export function act(noun, action, rows) {
  const what = rows.length === 1 ? noun.name(rows[0]) : rows.length ? counted(rows.length, noun.one, noun.many) : "";
  const title = [action.title, what].filter(Boolean).join(" ");
  const go = (asked, asker) => carryOut(action, title, rows, asked, asker);
  if (action.instant) {
    go({});
    return;
  }
  commandForm({
    command: action.command,
    title,
    verb: action.title,
    note: action.note,
    danger: action.danger,
    given: [...Object.keys(action.sends ?? {}), ...Object.keys(action.fixed ?? {})],
    asks: action.asks,
    needs: action.needs,
    options: { ...action.options, ...action.offers?.(rows[0]) },
    picks: action.picks?.(rows[0]),
    submit: go,
  });
}

async function carryOut(action, title, rows, asked, asker) {
  const card = toast(title);
  const targets = rows.length ? rows : [{}];
  let ended = 0;
  let accepted = targets.length > 1;
  if (accepted) asker?.close();
  const outcomes = await Promise.allSettled(
    targets.map(async (row) => {
      const result = await perform(action.command, { ...bound(action, row), ...asked }, () => {
        if (targets.length === 1) card.say("In progress…");
        accepted = true;
        asker?.close();
        changed();
      });
      ended += 1;
      if (targets.length > 1) card.say(`${ended} of ${targets.length} done…`);
      return result;
    }),
  );
  const failures = outcomes.filter((o) => o.status === "rejected").map((o) => o.reason.message);
  if (failures.length && !accepted && asker?.open()) {
    card.remove();
    asker.say(failures[0]);
  } else if (failures.length) card.failed(words(failures, targets.length));
  else card.done();
  if (action.reveals && !failures.length) show(action, title, outcomes[0].value);
  changed();
}

function bound(action, row) {
  const sends = Object.entries(action.sends ?? {}).map(([param, key]) => [param, row[key]]);
  return { ...Object.fromEntries(sends), ...action.fixed };
}

function words(failures, all) {
  const distinct = [...new Set(failures)].join("; ");
  return all === 1 ? distinct : `${failures.length} of ${all} failed: ${distinct}`;
}

function show(action, title, result) {
  const inner = Object.values(result)[0] ?? {};
  reveal(title, action.reveals.map((key) => [key, String(inner[key] ?? "")]));
}
