import { type FormEvent, useEffect, useRef, useState } from 'react';

import { Button } from '../button';
import { Notice } from '../notice';
import { Section } from '../section';
import { Look } from './look';
import type { IPullsState } from './model';
import { EndedPull, PullRow } from './row';
import type { IOutcome } from './types';

export interface IPullActions {
  open(open: boolean): void;
  look(model: string): Promise<void>;
  forget(): void;
  /** Resolves to whether it has begun. */
  start(model: string): Promise<boolean>;
  again(outcome: IOutcome): void;
  cancel(id: string): void;
  dismiss(id: string): void;
}

interface IProps {
  state: IPullsState;
  actions: IPullActions;
}

/** Folded below the models: brings further ones from the hub. */
export function PullSection({ state, actions }: IProps) {
  return (
    <Section name="pull" title="Pull a model" count={state.pulls.length} open={state.open} onToggle={actions.open}>
      <PullForm state={state} actions={actions} />
      <ul className="jp-uml-List" aria-label="Pulls">
        {state.pulls.map(pull => (
          <PullRow key={pull.id} pull={pull} cancelling={state.cancelling.has(pull.id)} cancel={actions.cancel} />
        ))}
        {state.ended.map(outcome => (
          <EndedPull key={outcome.id} outcome={outcome} again={actions.again} dismiss={actions.dismiss} />
        ))}
      </ul>
    </Section>
  );
}

/** Asks for a repository, shows what it offers, and pulls that. */
function PullForm({ state, actions }: IProps) {
  const [name, setName] = useState('');
  const { look, looking, starting, refusal } = state;
  const answer = useRef<HTMLDivElement>(null);
  const isAnswered = look !== null || refusal !== null;
  useEffect(() => {
    if (isAnswered) {
      answer.current?.scrollIntoView({ block: 'nearest' }); // in a low window it would come below its end
    }
  }, [isAnswered]);
  const send = (event: FormEvent) => {
    event.preventDefault();
    if (name.trim()) {
      void actions.look(name.trim());
    }
  };
  const start = async (model: string) => {
    if (await actions.start(model)) {
      setName('');
    }
  };
  const type = (text: string) => {
    setName(text);
    actions.forget();
  };
  return (
    <form className="jp-uml-Form" aria-label="Pull a model" noValidate onSubmit={send}>
      <div className="jp-uml-Field">
        <label htmlFor="jp-uml-pull-name">Repository</label>
        <div className="jp-uml-Pull-line">
          <input
            id="jp-uml-pull-name"
            type="text"
            autoComplete="off"
            spellCheck={false}
            value={name}
            data-uml-action="pull-name"
            aria-describedby="jp-uml-pull-hint"
            onChange={event => type(event.target.value)}
          />
          <Button action="look-pull" label="Look what the repository offers" disabled={looking || !name.trim()} submit>
            {looking ? 'Looking…' : 'Look'}
          </Button>
        </div>
        <div id="jp-uml-pull-hint" className="jp-uml-Row-hint">
          <code>owner/repository</code> of Hugging Face, or the address of its page. What came before a break is not
          fetched again.
        </div>
      </div>
      {isAnswered && (
        <div ref={answer}>
          {refusal && <Notice error={refusal} onDismiss={actions.forget} />}
          {look && (
            <Look
              look={look}
              busy={looking || starting}
              choose={model => void actions.look(model)}
              start={model => void start(model)}
            />
          )}
        </div>
      )}
    </form>
  );
}
