// GraphiQL with the gateway's examples, the query builder, and in development a token in Headers.

import { read, variables } from './examples.js';
import { fetcher } from './fetcher.js';

const FIRST = ['generateCharacterContent', 'startGeneration', 'events', 'contents', 'rateLimits', 'models'];
const KINDS = { mutation: 'Write', query: 'Read', subscription: 'Subscribe' };

const element = React.createElement;
const pretty = (value) => JSON.stringify(value, null, 2);

// History, favourites and theme are kept; tabs only as long as the window, for the cursors and ids in
// them get old. Headers, with the token, are kept nowhere: what is found again gets ours.
const KEPT = /^graphiql:(theme|queries|favorites)$/;
const WITH_HEADERS = /^graphiql:(tabState|queries|favorites)$/;
const TABS = 'graphiql:tabState';
const WIDE = 800; // px from which the examples are open at the start

const withHeaders = (text, headers) => JSON.stringify(JSON.parse(text, (key, value) => (key === 'headers' ? headers : value)));

function storageWith(headers = null) {
  const place = (key) => (KEPT.test(key) ? localStorage : sessionStorage);
  const getItem = (key) => {
    const found = place(key).getItem(key);
    if (key === 'graphiql:visiblePlugin') return found ?? (innerWidth < WIDE ? null : 'Examples');
    return found && WITH_HEADERS.test(key) ? withHeaders(found, headers) : found;
  };
  const setItem = (key, value) =>
    place(key).setItem(key, WITH_HEADERS.test(key) ? withHeaders(value, null) : value);
  return {
    getItem,
    setItem,
    removeItem: (key) => place(key).removeItem(key),
    clear: () => { localStorage.clear(); sessionStorage.clear(); },
    get length() { return localStorage.length + sessionStorage.length; },
  };
}

const Icon = () => element('svg', { viewBox: '0 0 24 24', fill: 'none', stroke: 'currentColor', strokeWidth: 1.5 },
  element('path', { d: 'M4 5h16M4 12h16M4 19h10', strokeLinecap: 'round' }));

function Examples({ examples, prepare }) {
  const editors = GraphiQL.React.useEditorContext({ nonNull: true });
  const [said, say] = React.useState('');
  const open = async (example) => {
    say('');
    try {
      const values = await prepare(example);
      editors.addTab();
      editors.queryEditor.setValue(example.document);
      editors.variableEditor.setValue(Object.keys(values).length ? pretty(values) : '');
    } catch (error) {
      say(`The example could not be prepared: ${error.message}`);
    }
  };
  const item = (example) => element('li', { key: example.kind + example.field },
    element('button', { type: 'button', onClick: () => open(example) },
      element('code', null, example.field), element('small', null, example.about)));
  return element('section', { className: 'examples', 'aria-label': 'Examples' },
    element('p', null, 'One for each root field. Each opens in a tab of its own; press play to run it.'),
    element('p', { role: 'status' }, said),
    Object.entries(KINDS).map(([kind, title]) => element(React.Fragment, { key: kind },
      element('h3', null, title),
      element('ul', null, examples.filter((one) => one.kind === kind).map(item)))));
}

function App({ examples, tabs, headers, prepare }) {
  const first = sessionStorage.getItem(TABS) ? {} : tabs[0];
  const [query, setQuery] = React.useState(first.query);
  const [storage] = React.useState(() => storageWith(headers));
  const [firstVariables] = React.useState(first.variables);
  const explorer = GraphiQLPluginExplorer.useExplorerPlugin({ query: query ?? '', onEdit: setQuery });
  const plugins = React.useMemo(() => [
    { title: 'Examples', icon: Icon, content: () => element(Examples, { examples, prepare }) },
    explorer,
  ], [explorer, examples, prepare]);
  return element(GraphiQL, {
    fetcher,
    plugins,
    query,
    onEditQuery: setQuery,
    variables: firstVariables,
    defaultTabs: tabs,
    defaultHeaders: headers,
    headers,
    storage,
    defaultEditorToolsVisibility: 'variables',
    shouldPersistHeaders: false,
    showPersistHeadersSettings: false,
    isHeadersEditorEnabled: true,
  }, element(GraphiQL.Logo, null, element('span', { className: 'name' }, 'Loregate')));
}

async function session() {
  const response = await fetch('/console/session');
  return response.ok ? response.json() : { dev: false, token: null };
}

async function begin() {
  const [{ dev, token }, text] = await Promise.all([
    session(),
    fetch('/console/static/graphiql/examples.graphql').then((response) => response.text()),
  ]);
  const headers = token ? pretty({ Authorization: `Bearer ${token}` }) : undefined;
  const ask = async (query) => {
    const { data, errors } = await fetcher({ query }, { headers: headers && JSON.parse(headers) });
    if (errors) throw new Error(errors[0].message);
    return data;
  };
  const known = token ? { after: (await ask('{ eventCursor }')).eventCursor } : { after: null };
  const examples = read(text, GraphiQL.GraphQL.parse);
  const prepare = (example) => variables(example, { known, ask, development: dev && Boolean(token) });
  const tabs = await Promise.all(FIRST.map(async (field) => {
    const example = examples.find((one) => one.field === field);
    const values = await prepare(example);
    return { query: example.document, variables: Object.keys(values).length ? pretty(values) : '', headers };
  }));
  ReactDOM.render(element(App, { examples, tabs, headers, prepare }), document.getElementById('page'));
}

begin().catch((error) => {
  document.querySelector('.wait').textContent = `GraphiQL could not begin: ${error.message}`;
});
