import { Button } from '../button';
import { offered, whole } from './texts';
import type { ILook } from './types';

interface IProps {
  look: ILook;
  /** Another quantisation is being asked for, or the pull begins. */
  busy: boolean;
  choose: (model: string) => void;
  start: (model: string) => void;
}

/** What would be pulled: which quantisation and why, and how large it is. Another one can be chosen. */
export function Look({ look, busy, choose, start }: IProps) {
  const offers = offered(look);
  return (
    <div className="jp-uml-Look" role="group" aria-label={`What ${look.repository} offers`} aria-busy={busy}>
      <label className="jp-uml-Field">
        <span>Quantisation</span>
        <select
          value={offers.find(offer => offer.chosen)?.name}
          data-uml-action="choose-quantisation"
          disabled={offers.length < 2}
          onChange={event => choose(event.target.value)}
        >
          {offers.map(({ name, text }) => (
            <option key={name} value={name}>
              {text}
            </option>
          ))}
        </select>
      </label>
      <p className="jp-uml-Row-hint">{look.why}</p>
      {look.other_formats.length > 0 && (
        <p className="jp-uml-Row-hint">Its {look.other_formats.join(', ')} files are left out: they do not load here.</p>
      )}
      <Button
        action="start-pull"
        tone="primary"
        label={`Pull ${whole(look)} of ${look.model}`}
        disabled={busy}
        onClick={() => start(look.model)}
      >
        Pull {whole(look)}
      </Button>
    </div>
  );
}
