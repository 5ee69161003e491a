/** Programs that ask a model of this server. None holds a key: each says where it takes it from. */
import { address, type Purpose, purpose, PYTHON_KEY, snippet } from '../snippet';
import type { IModelRow } from '../types';

export interface IProgram {
  id: string;
  label: string;
  /** `baseUrl` is the Jupyter server's, absolute. */
  write: (row: IModelRow, baseUrl: string) => string;
}

export const PROGRAMS: readonly IProgram[] = [
  { id: 'openai-python', label: 'OpenAI, Python', write: snippet },
  { id: 'openai-node', label: 'OpenAI, Node.js', write: node },
  { id: 'curl', label: 'curl', write: curl },
  { id: 'langchain', label: 'LangChain', write: langchain },
  { id: 'uml', label: 'jupyter_uml', write: own }
];

// JSON's strings are those of Python and JavaScript, too.
const quoted = (text: string) => JSON.stringify(text);
const lines = (...text: string[]) => `${text.join('\n')}\n`;

// --- Node.js ---

const NODE: Readonly<Record<Purpose, (model: string) => string[]>> = {
  chat: model => [
    'const answer = await client.chat.completions.create({',
    `  model: ${model},`,
    '  messages: [{ role: "user", content: "Hello!" }],',
    '});',
    'console.log(answer.choices[0].message.content);'
  ],
  completion: model => [
    'const answer = await client.completions.create({',
    `  model: ${model},`,
    '  prompt: "Once upon a time",',
    '  max_tokens: 64,',
    '});',
    'console.log(answer.choices[0].text);'
  ],
  embedding: model => [
    `const answer = await client.embeddings.create({ model: ${model}, input: ["Hello!"] });`,
    'console.log(answer.data[0].embedding);'
  ]
};

function node(row: IModelRow, baseUrl: string): string {
  return lines(
    '// npm install openai; keep this as hello.mjs',
    'import OpenAI from "openai";',
    '',
    '// A terminal of this server has a key already; elsewhere make one in the sidebar.',
    'const apiKey = process.env.JUPYTER_UML_KEY;',
    `const client = new OpenAI({ baseURL: ${quoted(address(baseUrl, 'v1'))}, apiKey });`,
    ...NODE[purpose(row)](quoted(row.id))
  );
}

// --- curl ---

const BODIES: Readonly<Record<Purpose, { route: string; fields: object }>> = {
  chat: { route: 'chat/completions', fields: { messages: [{ role: 'user', content: 'Hello!' }] } },
  completion: { route: 'completions', fields: { prompt: 'Once upon a time', max_tokens: 64 } },
  embedding: { route: 'embeddings', fields: { input: ['Hello!'] } }
};

/** The key is given on standard input: the list of processes does not show it. */
function curl(row: IModelRow, baseUrl: string): string {
  const { route, fields } = BODIES[purpose(row)];
  return lines(
    '# For bash and zsh. A terminal of this server has a key already; elsewhere make one in the sidebar.',
    `curl --fail-with-body --header @- ${literal(address(baseUrl, `v1/${route}`))} \\`,
    `  --header 'Content-Type: application/json' \\`,
    `  --data ${literal(JSON.stringify({ model: row.id, ...fields }))} \\`,
    '  <<< "Authorization: Bearer ${JUPYTER_UML_KEY:?is not set}"'
  );
}

/** As a shell's string in which nothing means anything. */
function literal(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

// --- Python ---

function langchain(row: IModelRow, baseUrl: string): string {
  const where = [`model=${quoted(row.id)},`, `base_url=${quoted(address(baseUrl, 'v1'))},`, 'api_key=key,'];
  const { cls, more = [], use } = LANGCHAIN[purpose(row)];
  return lines(
    '# pip install langchain-openai',
    'import os',
    'from getpass import getpass',
    '',
    `from langchain_openai import ${cls}`,
    '',
    ...PYTHON_KEY,
    `model = ${cls}(`,
    ...[...where, ...more].map(line => `    ${line}`),
    ')',
    `print(${use})`
  );
}

const LANGCHAIN: Readonly<Record<Purpose, { cls: string; more?: string[]; use: string }>> = {
  chat: { cls: 'ChatOpenAI', use: 'model.invoke("Hello!").content' },
  completion: { cls: 'OpenAI', more: ['max_tokens=64,'], use: 'model.invoke("Once upon a time")' },
  embedding: {
    cls: 'OpenAIEmbeddings',
    more: ['check_embedding_ctx_length=False,  # send text, not the tokens of one of OpenAI\'s models'],
    use: 'model.embed_query("Hello!")'
  }
};

const OWN: Readonly<Record<Purpose, (model: string) => string>> = {
  chat: model => `client.chat("Hello!", model=${model}).text`,
  completion: model => `client.complete("Once upon a time", model=${model}, max_tokens=64).text`,
  embedding: model => `client.embed("Hello!", model=${model})[0]`
};

function own(row: IModelRow, baseUrl: string): string {
  return lines(
    '# Runs where jupyter_uml is installed; in a notebook of this server UniversalClient() needs no arguments',
    'import os',
    'from getpass import getpass',
    '',
    'from jupyter_uml.client import UniversalClient',
    '',
    ...PYTHON_KEY,
    `with UniversalClient(${quoted(address(baseUrl))}, key) as client:`,
    `    print(${OWN[purpose(row)](quoted(row.id))})`
  );
}
