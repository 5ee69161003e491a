/** A pull in words. */
import { bytes, duration, percent, plural } from '../format';
import type { IFound, IPull } from '../state';
import type { ILook } from './types';

/** What a download is doing where it does not come in. */
const DOING: Readonly<Record<string, string>> = {
  waiting: 'waits for another process that downloads the same',
  retrying: 'the hub is slow or away; tries again',
  verifying: 'checking what has come'
};

/** 0 to 1; undefined: not known yet. */
export function share({ progress }: IPull): number | undefined {
  return progress && progress.total_bytes > 0 ? progress.bytes / progress.total_bytes : undefined;
}

/** How far it is, in figures. */
export function figures(pull: IPull): string {
  const { found, progress } = pull;
  if (!progress) {
    return found ? `${bytes(found.size_bytes)}, beginning…` : 'Asking the hub…';
  }
  return `${percent(share(pull) ?? 0)}\u00a0% · ${bytes(progress.bytes)} of ${bytes(progress.total_bytes)}`;
}

/** How fast it is and how long it takes, or what it waits for. */
export function pace({ progress }: IPull): string {
  if (!progress) {
    return '';
  }
  if (progress.doing !== 'downloading') {
    return DOING[progress.doing] ?? progress.doing;
  }
  const rate = progress.bytes_per_second;
  const left = progress.seconds_left;
  return [rate !== null && `${bytes(rate)}/s`, left !== null && `${duration(left)} left`].filter(Boolean).join(' · ');
}

/** One of the models that a repository offers, by which it can be asked for. */
export interface IOffered {
  /** For a pull. */
  name: string;
  text: string;
  chosen: boolean;
}

/** In the hub's order, the largest first. */
export function offered(look: ILook): IOffered[] {
  const times = new Map<string | null, number>();
  look.offers.forEach(({ quantisation }) => times.set(quantisation, (times.get(quantisation) ?? 0) + 1));
  const revision = /@.*$/.exec(look.model)?.[0] ?? '';
  return look.offers.map(({ quantisation, file, size_bytes }) => {
    const isPlain = quantisation !== null && times.get(quantisation) === 1;
    const wanted = isPlain ? `:${quantisation}` : `/${file}`;
    const label = isPlain ? quantisation : file;
    return {
      name: look.repository + wanted + revision,
      text: `${label} · ${bytes(size_bytes)}`,
      chosen: look.files.includes(file)
    };
  });
}

/** All that has to come. */
export function whole({ size_bytes, files }: IFound): string {
  return files.length > 1 ? `${bytes(size_bytes)} in ${plural(files.length, 'file')}` : bytes(size_bytes);
}
