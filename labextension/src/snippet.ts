import type { IModelRow } from './types';

/** A Python program that calls the model through the `openai` package. `baseUrl` is the Jupyter server's, absolute. */
export function snippet(row: IModelRow, baseUrl: string): string {
  const url = new URL('uml/v1', baseUrl.endsWith('/') ? baseUrl : `${baseUrl}/`);
  // JSON's strings are Python's, too.
  return [
    '# pip install openai',
    "# JUPYTER_TOKEN has to hold this server's token: `jupyter server list` prints it.",
    'import os',
    '',
    'from openai import OpenAI',
    '',
    'client = OpenAI(',
    `    base_url=${JSON.stringify(url.href)},`,
    '    api_key=os.environ["JUPYTER_TOKEN"],',
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
