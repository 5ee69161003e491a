import { useMemo } from 'react';

import { Button } from '../button';
import { count } from '../format';
import { contextSteps, stepOf } from './contextsteps';
import { NumberField } from './numberfield';

interface IProps {
  model: string;
  /** As it would be loaded. */
  tokens: number;
  /** undefined: the server chooses. */
  chosen: number | undefined;
  longest: number;
  /** With which it fits; 0: with none, or not known. */
  fitting: number;
  choose(tokens: number | undefined): void;
}

/** The length of the context, as a slider and as a number. */
export function ContextField({ model, tokens, chosen, longest, fitting, choose }: IProps) {
  const steps = useMemo(() => contextSteps(longest), [longest]);
  const place = stepOf(steps, tokens);
  return (
    <div className="jp-uml-Context">
      <NumberField
        action="set-context"
        label="Context"
        about={`of ${model}, in tokens`}
        value={chosen}
        usual={tokens > 0 ? `auto (${count(tokens)})` : 'auto'}
        min={1}
        max={longest}
        choose={choose}
      />
      <Button
        action="auto-context"
        label={`Auto: leave the context of ${model} to the server`}
        title="Leave the length to the server"
        disabled={chosen === undefined}
        onClick={() => choose(undefined)}
      >
        Auto
      </Button>
      <input
        data-uml-action="slide-context"
        type="range"
        min={0}
        max={steps.length - 1}
        step={1}
        value={place}
        aria-label={`Context of ${model}, as a slider`}
        aria-valuetext={`${count(tokens)} tokens`}
        onChange={event => choose(steps[Number(event.currentTarget.value)])}
      />
      <div className="jp-uml-Context-ends" aria-hidden="true">
        <span>{count(steps[0]!)}</span>
        {fitting > 0 && fitting < longest && <span>{count(fitting)} fit</span>}
        <span>{count(longest)}</span>
      </div>
    </div>
  );
}
