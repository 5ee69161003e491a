import { Button } from '../button';
import { bytes, percent } from '../format';
import { Notice } from '../notice';
import type { IPull } from '../state';
import { figures, pace, share } from './texts';
import type { IOutcome } from './types';

interface IRunningProps {
  pull: IPull;
  cancelling: boolean;
  cancel: (id: string) => void;
}

/** A pull on its way, whoever began it. */
export function PullRow({ pull, cancelling, cancel }: IRunningProps) {
  const done = share(pull);
  const value = done === undefined ? undefined : percent(done);
  return (
    <li className="jp-uml-Row" data-uml-pull={pull.model} aria-label={pull.model}>
      <div className="jp-uml-Row-line">
        <div className="jp-uml-Row-name" title={hover(pull)}>
          {pull.model}
        </div>
        <Button
          action="cancel-pull"
          label={`${cancelling ? 'Cancelling…' : 'Cancel'} the pull of ${pull.model}`}
          title="What has come is kept: a new pull goes on from there"
          disabled={cancelling}
          onClick={() => cancel(pull.id)}
        >
          {cancelling ? 'Cancelling…' : 'Cancel'}
        </Button>
      </div>
      <div
        className="jp-uml-Progress"
        role="progressbar"
        aria-label={`Pulling ${pull.model}`}
        aria-valuemin={0}
        aria-valuemax={100}
        aria-valuenow={value}
      >
        <div className="jp-uml-Progress-bar" style={value === undefined ? undefined : { width: `${value}%` }} />
      </div>
      <div className="jp-uml-Row-hint jp-uml-Pull-figures">
        <span>{figures(pull)}</span>
        <span>{pace(pull)}</span>
      </div>
    </li>
  );
}

interface IEndedProps {
  outcome: IOutcome;
  again: (outcome: IOutcome) => void;
  dismiss: (id: string) => void;
}

/** What became of a pull. */
export function EndedPull({ outcome, again, dismiss }: IEndedProps) {
  const { id, model, done, error } = outcome;
  const isCancelled = error?.code === 'pull_cancelled';
  return (
    <li className="jp-uml-Row" data-uml-pull={model} data-uml-ended={done ? 'done' : (error?.code ?? '')} aria-label={model}>
      {error && !isCancelled ? (
        <Notice error={error} about={model} onDismiss={() => dismiss(id)}>
          {error.code === 'hub_access_denied' && <Page repository={outcome.found?.repository ?? model} />}
          <Button action="pull-again" label={`Try again to pull ${model}`} onClick={() => again(outcome)}>
            Try again
          </Button>
        </Notice>
      ) : (
        <div className="jp-uml-Row-line">
          <div className="jp-uml-Pull-ended">
            <strong>{model}</strong> {done ? told(done) : 'is cancelled. What had come is kept.'}
          </div>
          {isCancelled ? (
            <Button action="pull-again" label={`Go on pulling ${model}`} onClick={() => again(outcome)}>
              Go on
            </Button>
          ) : (
            <Button action="dismiss" label={`Dismiss the message about ${model}`} onClick={() => dismiss(id)}>
              Dismiss
            </Button>
          )}
        </div>
      )}
    </li>
  );
}

/** Where the conditions of a repository are accepted. */
function Page({ repository }: { repository: string }) {
  const name = repository.split(/[:@]/)[0]!.split('/').slice(0, 2).map(encodeURIComponent).join('/');
  return (
    <p className="jp-uml-Row-hint">
      <a
        className="jp-uml-Link"
        href={`https://huggingface.co/${name}`}
        target="_blank"
        rel="noopener noreferrer"
        data-uml-action="open-repository"
      >
        Its page on Hugging Face
      </a>
    </p>
  );
}

function told({ model, size_bytes }: NonNullable<IOutcome['done']>): string {
  return model === null
    ? `is here (${bytes(size_bytes)}), in a folder in which this server looks for no models.`
    : `is here: ${model}, ${bytes(size_bytes)}.`;
}

function hover({ model, found, progress }: IPull): string {
  return [model, found?.why, progress?.file].filter(Boolean).join('\n');
}
