// Numbers and moments as people read them.

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

/** 1610612736 → "1.5 GiB". */
export function bytes(count) {
  if (count === null || count === undefined || count === "") return "";
  let amount = Number(count);
  let unit = 0;
  while (Math.abs(amount) >= 1024 && unit < UNITS.length - 1) {
    amount /= 1024;
    unit += 1;
  }
  return `${amount >= 100 || Number.isInteger(amount) ? Math.round(amount) : amount.toFixed(1)} ${UNITS[unit]}`;
}

/** Memory of an offering or a VM: the API counts MiB. */
export function mebibytes(count) {
  return count === undefined ? "" : bytes(Number(count) * 1024 * 1024);
}

/** 2500 → "2.5 GHz". */
export function megahertz(count) {
  if (count === undefined || count === null) return "";
  return count >= 1000 ? `${Number((count / 1000).toFixed(2))} GHz` : `${Number(count)} MHz`;
}

/** The API's "2026-01-01T00:00:00+0000" as a Date. */
export function moment(text) {
  return text ? new Date(text.replace(/([+-]\d\d)(\d\d)$/, "$1:$2")) : null;
}

/** In this browser's time zone, to the second: "2026-01-01 00:00:00". */
export function when(text) {
  const date = moment(text);
  if (!date || Number.isNaN(date.getTime())) return "";
  const two = (n) => String(n).padStart(2, "0");
  const day = [date.getFullYear(), two(date.getMonth() + 1), two(date.getDate())].join("-");
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

/** yes, no, or nothing known. */
export function yes(value) {
  return value === true || value === "true" ? "yes" : value === false || value === "false" ? "no" : "";
}

/** "1 instance", "3 instances". */
export function counted(count, one, many = `${one}s`) {
  return `${count.toLocaleString("en")} ${count === 1 ? one : many}`;
}

/** Text in base64, as user data travels. */
export function base64(text) {
  let binary = "";
  for (const byte of new TextEncoder().encode(text)) binary += String.fromCharCode(byte);
  return btoa(binary);
}
