// Elements.  Data becomes text, never markup: nothing in this page parses HTML.

/** Make an element.  Props that start with "on" listen; null and false children are left out. */
export function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "value") element.value = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...clean(children));
  return element;
}

/** Put children in place of whatever an element holds. */
export function fill(element, ...children) {
  element.replaceChildren(...clean(children));
  return element;
}

function clean(children) {
  return children.flat(Infinity).filter((c) => c !== null && c !== undefined && c !== false);
}

let made = 0;

/** Return an id for a label to point to. */
export function freshId() {
  made += 1;
  return `x${made}`;
}
