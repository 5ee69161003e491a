import type { IModelRow } from './types';

/** A Python program that calls the model through the `openai` package. `baseUrl` is the Jupyter server's, absolute. */
export function snippet(row: IModelRow, baseUrl: string): string {
  const url = new URL('uml/v1', baseUrl.endsWith('/') ? baseUrl : `${baseUrl}/`);
  // JSON's strings are Python's, too.
  return [
    '# pip install openai',
    'import os',
    'from getpass import getpass',
    '',
    'from openai import OpenAI',
    '',
    '# A notebook of this server has a key already; elsewhere it is the token that `jupyter server list` prints.',
    'key = os.environ.get("JUPYTER_UML_KEY") or os.environ.get("JUPYTER_TOKEN") or getpass("Jupyter token: ")',
    'client = OpenAI(',
    `    base_url=${JSON.stringify(url.href)},`,
    '    api_key=key,',
    ')',
    ...(row.info?.has_chat_template === false ? completion(row.id) : chat(row.id)),
    ''
  ].join('\n');
}

function chat(id: string): string[] {
  return [
    'answer = client.chat.completions.create(',
    `    model=${JSON.stringify(id)},`,
    '    messages=[{"role": "user", "content": "Hello!"}],',
    ')',
    'print(answer.choices[0].message.content)'
  ];
}

/** For a model whose file has no chat template: plain continuation of a text. */
function completion(id: string): string[] {
  return [
    'answer = client.completions.create(',
    `    model=${JSON.stringify(id)},`,
    '    prompt="Once upon a time",',
    '    max_tokens=64,',
    ')',
    'print(answer.choices[0].text)'
  ];
}
