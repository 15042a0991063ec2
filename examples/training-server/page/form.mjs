import { json } from './api.mjs';
import { byId, element } from './dom.mjs';

/** The form of a new job, made from the server's own description of jobs. @param {(run: any) => void} onStart */
export async function makeForm(onStart) {
  const { components } = await json('/openapi.json');
  /** @type {any[]} */
  const kinds = components.schemas.Job.oneOf;
  const kind = byId('kind');
  kind.append(...kinds.map(({ title }) => element('option', { value: title }, title)));
  const draw = () => {
    const { properties, required } = kinds.find(({ title }) => title === kind.value);
    byId('fields').replaceChildren(
      ...Object.entries(properties)
        .filter(([name]) => name !== 'kind')
        .map(([name, schema]) => element('label', {}, name, inputOf(name, schema, required.includes(name)))),
    );
  };
  kind.addEventListener('change', draw);
  draw();
  byId('form').addEventListener('submit', async (event) => {
    event.preventDefault();
    const { properties } = kinds.find(({ title }) => title === kind.value);
    const body = { kind: kind.value };
    for (const input of byId('fields').querySelectorAll('input, select'))
      if (input.value !== '') body[input.name] = typed(input.value, properties[input.name]);
    try {
      const run = await json('/jobs', 'POST', body);
      byId('said').textContent = '';
      onStart(run);
    } catch (error) {
      byId('said').textContent = /** @type {Error} */ (error).message;
    }
  });
}

function inputOf(name, schema, required) {
  const standard = schema.default;
  if (schema.enum)
    return element(
      'select',
      { name },
      ...schema.enum.map((word) => element('option', { value: word, selected: word === standard }, word)),
    );
  const value = Array.isArray(standard) ? standard.join(', ') : standard;
  return element('input', {
    name,
    value,
    required,
    autocomplete: 'off',
    placeholder: schema.type === 'array' ? 'a, b' : undefined,
  });
}

/** The text of a field, in the type that the server asks for; it judges the rest. */
function typed(text, { type, items }) {
  if (type === 'array') return text.split(',').map((part) => typed(part.trim(), items));
  return (type === 'integer' || type === 'number') && text.trim() !== '' && !Number.isNaN(Number(text))
    ? Number(text)
    : text;
}
