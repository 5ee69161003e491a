import type { IModelRow } from './types';

/** What a model is asked for: an answer, how a text goes on (its file has no chat template), or a text's vector. */
export type Purpose = 'chat' | 'completion' | 'embedding';

// Architectures that only read: they write no answers.
const READS = /bert|embedding|encoder/;

export function purpose({ info, facts }: IModelRow): Purpose {
  if (READS.test(info?.architecture ?? facts?.architecture ?? '')) {
    return 'embedding';
  }
  return info?.has_chat_template === false ? 'completion' : 'chat';
}

/** Of our routes. `baseUrl` is the Jupyter server's, absolute; no query of it gets through. */
export function address(baseUrl: string, route = ''): string {
  return new URL(`uml${route && '/'}${route}`, baseUrl.endsWith('/') ? baseUrl : `${baseUrl}/`).href;
}

/** The beginning of every Python program: where its key comes from. */
export const PYTHON_KEY: readonly string[] = [
  '# A notebook of this server has a key already; elsewhere make one in the sidebar, or take the token that',
  '# `jupyter server list` prints.',
  'key = os.environ.get("JUPYTER_UML_KEY") or os.environ.get("JUPYTER_TOKEN") or getpass("API key: ")'
];

/** A Python program that calls the model through the `openai` package. */
export function snippet(row: IModelRow, baseUrl: string): string {
  // JSON's strings are Python's, too.
  return [
    '# pip install openai',
    'import os',
    'from getpass import getpass',
    '',
    'from openai import OpenAI',
    '',
    ...PYTHON_KEY,
    `client = OpenAI(base_url=${JSON.stringify(address(baseUrl, 'v1'))}, api_key=key)`,
    ...CALLS[purpose(row)](JSON.stringify(row.id)),
    ''
  ].join('\n');
}

const CALLS: Readonly<Record<Purpose, (model: string) => string[]>> = {
  chat: model => [
    'answer = client.chat.completions.create(',
    `    model=${model},`,
    '    messages=[{"role": "user", "content": "Hello!"}],',
    ')',
    'print(answer.choices[0].message.content)'
  ],
  completion: model => [
    'answer = client.completions.create(',
    `    model=${model},`,
    '    prompt="Once upon a time",',
    '    max_tokens=64,',
    ')',
    'print(answer.choices[0].text)'
  ],
  embedding: model => [
    'answer = client.embeddings.create(',
    `    model=${model},`,
    '    input=["Hello!"],',
    ')',
    'print(answer.data[0].embedding)'
  ]
};
