// The controls of a form, one for each kind of value that has no fields of its own. Each is
// `{ element, read(), show(path, message), set(value) }`: `read` gives what belongs in the request,
// `undefined` where nothing does; `show` marks the one that a refusal names.

import { fill, h, ticked } from './dom.js';
import { spoken } from './words.js';

const LONG = 10_000; // characters; what may have more gets a text area
let made = 0;

const SHORT = 24; // characters of a hint that stands beside its label instead of below the field

function described(value, control, { isRequired } = {}) {
  const id = `field-${++made}`;
  const said = value.description ?? '';
  const isHalf = control.type === 'number';
  const isShort = said.length <= SHORT && !isHalf && control.localName !== 'select';
  // An example that stands in the empty field already need not be seen twice.
  const place = /^such as/i.test(said) && control.placeholder ? 'unseen' : isShort && 'beside';
  const hint = h('p', { class: ['hint', place], id: `${id}-hint` }, ticked(said));
  const wrong = h('p', { class: 'wrong', id: `${id}-wrong`, hidden: true });
  control.id = id;
  control.setAttribute('aria-describedby', `${hint.id} ${wrong.id}`);
  control.addEventListener('input', () => unmark(control, wrong));
  const mark = isRequired && h('span', { class: 'required', title: 'required' }, 'required');
  const label = h('label', { for: id }, spoken(value.name), mark);
  const element = h(
    'div',
    { class: ['field', isHalf && 'half'], data: { name: value.name } },
    label,
    control,
    hint,
    wrong,
  );
  return { element, show: (_, message) => point(control, wrong, message) };
}

function point(control, wrong, message) {
  wrong.textContent = message;
  wrong.hidden = false;
  control.setAttribute('aria-invalid', 'true');
  unfold(control);
  control.focus();
  return true;
}

function unmark(control, wrong) {
  control.removeAttribute('aria-invalid');
  wrong.hidden = true;
}

/** Opens what hides a control, so that the browser can point at it. */
export function unfold(control) {
  for (let at = control.closest('details'); at; at = at.parentElement.closest('details'))
    at.open = true;
}

export function line(value, type, initial) {
  const isNumber = type.name === 'Int' || type.name === 'Float';
  const control = isLong(value.description)
    ? h('textarea', { rows: 6 })
    : h('input', {
        type: isNumber ? 'number' : 'text',
        autocomplete: 'off',
        ...bounds(value, type),
      });
  control.required = type.isRequired;
  control.name = value.name;
  control.placeholder = suggestion(value.description);
  control.value = initial ?? value.defaultValue ?? '';
  const read = () => {
    const given = control.value.trim();
    return given === '' ? undefined : isNumber ? Number(given) : given;
  };
  return {
    ...described(value, control, type),
    read,
    set: (v) => {
      control.value = v ?? '';
    },
  };
}

function isLong(description = '') {
  const most = /to ([\d,]+) characters/.exec(description)?.[1];
  return most !== undefined && Number(most.replaceAll(',', '')) >= LONG;
}

/** What a description says of a number's bounds: "1 to 20." or "At least 1." */
function bounds(value, type) {
  const said = value.description ?? '';
  const between = /(?:^|, )(\d+) to (\d+)\b/.exec(said);
  const least = between?.[1] ?? /at least (\d+)/i.exec(said)?.[1];
  if (type.name === 'Int') return { step: 1, min: least, max: between?.[2] };
  return type.name === 'Float' ? { step: 'any', min: least, max: between?.[2] } : {};
}

/** The first example that a description gives. */
function suggestion(description = '') {
  return /such as `([^`]+)`/i.exec(description)?.[1] ?? '';
}

export function choice(value, type, inner, initial) {
  const none = !type.isRequired && h('option', { value: '' }, 'by default');
  const options = inner.enumValues.map((v) =>
    h('option', { value: v.name, title: v.description }, spoken(v.name)),
  );
  const control = h('select', { name: value.name, required: type.isRequired }, none, options);
  control.value =
    initial ?? value.defaultValue ?? (type.isRequired ? inner.enumValues[0].name : '');
  const made = described(value, control, type);
  const [hint] = made.element.getElementsByClassName('hint');
  const tell = () => {
    fill(
      hint,
      ticked(
        inner.enumValues.find((v) => v.name === control.value)?.description ?? value.description,
      ),
    );
  };
  control.addEventListener('change', tell);
  tell();
  return {
    ...made,
    read: () => control.value || undefined,
    set: (v) => {
      control.value = v ?? '';
      tell();
    },
  };
}

export function choices(value, inner, initial) {
  const boxes = inner.enumValues.map((v) => {
    const box = h('input', { type: 'checkbox', value: v.name });
    box.checked = initial.includes(v.name);
    return h('label', { class: 'tick', title: v.description }, box, spoken(v.name));
  });
  const element = h(
    'fieldset',
    { class: 'list' },
    h('legend', {}, spoken(value.name)),
    h('p', { class: 'hint' }, ticked(value.description)),
    h('div', { class: 'ticks' }, boxes),
  );
  const read = () => {
    const chosen = boxes
      .map((b) => b.control)
      .filter((c) => c.checked)
      .map((c) => c.value);
    return chosen.length ? chosen : undefined;
  };
  return { element, read, show: () => false, set() {} };
}

export function tick(value, initial) {
  const control = h('input', { type: 'checkbox', name: value.name });
  control.checked = initial ?? value.defaultValue === 'true';
  const made = described(value, control);
  made.element.classList.add('boolean');
  return {
    ...made,
    read: () => control.checked,
    set: (v) => {
      control.checked = v;
    },
  };
}
