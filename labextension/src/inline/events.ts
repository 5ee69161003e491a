/** Reads the server's events. */
import { ApiError, Unreachable } from '../errors';
import type { IErrorBody } from '../types';
import type { IInlinePart } from './types';

const END = '[DONE]';

/** The parts of a streamed answer. One that breaks off throws `Unreachable`, an error event `ApiError`. */
export async function* parts(body: ReadableStream<Uint8Array>): AsyncGenerator<IInlinePart> {
  for await (const data of blocks(body)) {
    if (data === END) {
      return;
    }
    const part = JSON.parse(data) as IInlinePart & { error?: IErrorBody };
    if (part.error !== undefined) {
      throw new ApiError(500, part.error);
    }
    yield part;
  }
  throw new Unreachable('The answer broke off.');
}

/** The data of each event. */
async function* blocks(body: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let rest = '';
  try {
    for (let read = await reader.read(); !read.done; read = await reader.read()) {
      const complete = (rest + decoder.decode(read.value, { stream: true })).split('\n\n');
      rest = complete.pop() ?? '';
      yield* complete.map(dataOf).filter(data => data !== '');
    }
  } finally {
    await reader.cancel().catch(() => undefined); // where the signal was aborted, it rejects
  }
}

/** Empty for a comment, which keeps the connection alive. */
function dataOf(block: string): string {
  const lines = block.split('\n').filter(line => line.startsWith('data: '));
  return lines.map(line => line.slice('data: '.length)).join('\n');
}
