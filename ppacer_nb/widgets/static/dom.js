// Making elements. Data becomes text nodes and attributes here, and markup nowhere.

const SVG = "http://www.w3.org/2000/svg";

/** Return an HTML element; attributes that are functions listen, null and false are left out. */
export function h(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

/** Return an SVG element. */
export function svg(tag, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}

/** Set an attribute, or take it off, only if that changes anything. */
export function attribute(element, name, value) {
  if (value === null || value === undefined || value === false) {
    if (element.hasAttribute(name)) element.removeAttribute(name);
  } else if (element.getAttribute(name) !== String(value)) {
    element.setAttribute(name, String(value));
  }
}

/** Set an element's text, only if that changes anything. */
export function text(element, value) {
  if (element.textContent !== value) element.textContent = value;
}

/** Show or hide an element. */
export function visible(element, value) {
  if (element.hidden === value) element.hidden = !value;
}

/**
 * Make the children of `parent` those of `items`, in order: new ones by `make(item)`, which returns an element
 * with a method `update(item)`. Elements that stay are neither made again nor moved without need.
 */
export function keyed(parent, items, keyOf, make) {
  const keys = items.map(keyOf);
  const wanted = new Set(keys);
  const old = new Map();
  for (const child of [...parent.children]) {
    if (wanted.has(child.ppacerKey)) old.set(child.ppacerKey, child);
    else child.remove();
  }
  let place = parent.firstElementChild;
  items.forEach((item, number) => {
    let child = old.get(keys[number]);
    if (child === undefined) {
      child = make(item);
      child.ppacerKey = keys[number];
      parent.insertBefore(child, place);
    } else if (child === place) place = place.nextElementSibling;
    else parent.insertBefore(child, place);
    child.update?.(item);
  });
}

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else attribute(element, name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}
